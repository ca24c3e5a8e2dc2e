package clustersim

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// A test that passes whatever the code does tests nothing: these builds, each
// without one rule, must fail it. Each is compiled anew, so it is asked for:
// CLUSTERSIM_MUTANTS=1 go test -run TestMutantsAreCaught.
func TestMutantsAreCaught(t *testing.T) {
	if os.Getenv("CLUSTERSIM_MUTANTS") == "" {
		t.Skip("takes a compilation for each mutant: CLUSTERSIM_MUTANTS=1")
	}
	for tag, run := range map[string]string{
		"mutant_ack_before_sync":       "TestPowerCuts/keep0",
		"mutant_joiner_copies_nothing": "TestDiskFailsWhileRunning/0",
	} {
		t.Run(tag, func(t *testing.T) {
			cmd := exec.Command("go", "test", "-count=1", "-tags", tag, "-run", run, ".")
			cmd.Env = append(os.Environ(), "CLUSTERSIM_MUTANTS=")
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "the build with %s passes %s", tag, run)
			require.Contains(t, string(out), "--- FAIL: "+run[:10], "it fails for another reason:\n%s", out)
		})
	}
}
