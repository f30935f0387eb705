package local

import (
	"strings"
	"testing"
)

func TestNetworkFileSystems(t *testing.T) {
	for magic, want := range map[uint32]string{
		0x6969:     "NFS",
		0xff534d42: "CIFS",
		0xef53:     "", // ext4
		0x01021994: "", // tmpfs
		0x794c7630: "", // overlayfs
	} {
		err := refuseType("/data", magic)
		if want == "" && err != nil {
			t.Errorf("refuseType(%#x) = %v, want nil", magic, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), "/data is on "+want)) {
			t.Errorf("refuseType(%#x) = %v, want a sentence about %s", magic, err, want)
		}
	}
	if err := refuseNetwork("/proc"); err != nil {
		t.Errorf("refuseNetwork(/proc) = %v, want nil", err)
	}
	if err := refuseNetwork("/nowhere"); err == nil {
		t.Error("refuseNetwork(/nowhere) = nil, want an error")
	}
}
