package acme

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more tests run at a time than there are processors: nearly all
// of them wait, for certmagic or for a certificate to be due.
func TestMain(m *testing.M) {
	flag.Parse()
	if given := flag.Lookup("test.parallel"); given.Value.String() == given.DefValue {
		_ = flag.Set("test.parallel", "8")
	}
	os.Exit(m.Run())
}
