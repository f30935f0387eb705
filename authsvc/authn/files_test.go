package authn

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		text, want, wantErr string
	}{
		"good":  {" two words\n\n", "two words", ""},
		"empty": {" \n", "", "/empty is empty"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadSecret(path, "given")
		if got.Reveal() != tt.want || (err == nil) != (tt.wantErr == "") || err != nil && err.Error() != dir+tt.wantErr {
			t.Errorf("ReadSecret(%s) = %q, %v", name, got.Reveal(), err)
		}
	}
	if got, err := ReadSecret("", "given"); got != "given" || err != nil {
		t.Errorf("ReadSecret() of no file = %q, %v", got.Reveal(), err)
	}
	if got, err := ReadSecret(filepath.Join(dir, "none"), "given"); got != "" || !os.IsNotExist(err) {
		t.Errorf("ReadSecret() of a file that is not there = %q, %v", got.Reveal(), err)
	}
}

// TestReadRoots: no file is the system's, and a file without a certificate is
// neither that nor nobody. Real certificates are in the tests of who uses it.
func TestReadRoots(t *testing.T) {
	if roots, err := ReadRoots(""); roots != nil || err != nil {
		t.Errorf("ReadRoots() of no file = %v, %v", roots, err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if _, err := ReadRoots(path); !os.IsNotExist(err) {
		t.Errorf("ReadRoots() of a file that is not there = %v", err)
	}
	if err := os.WriteFile(path, []byte("-----BEGIN"), 0o600); err != nil {
		t.Fatal(err)
	}
	if roots, err := ReadRoots(path); roots != nil || err == nil || err.Error() != path+" holds no PEM certificate" {
		t.Errorf("ReadRoots() of a broken file = %v, %v", roots, err)
	}
}
