// Package e2e runs the built gate against real registries, clients and CAs.
//
// Every test starts what it needs through testbed, drives it through client,
// and asserts what the client printed, what the registry saw, and what the gate
// logged. Nothing is skipped: what is missing fails with a sentence that says so.
//
//	make e2e                                                       everything
//	go test -v -run 'TestMatrix/registry:3/token/docker' .         one cell, with bin/ as it is
//	REGATE_BIN=/tmp/bin go test -v -run TestHostile .              another build of the gate
package e2e

import (
	"testing"

	"github.com/regate/regate/e2e/testbed"
)

// secrets are those that only clients and other servers are told.
var secrets = []string{
	adminPassword, devPassword, upstreamPassword, ownerPassword, guestPassword, hookToken,
	alicePassword, bobPassword, gatePassword, expiredPassword, databasePassword, "not-her-password", "not-it", "not-the-password",
}

func TestMain(m *testing.M) { testbed.Main(m, secrets...) }
