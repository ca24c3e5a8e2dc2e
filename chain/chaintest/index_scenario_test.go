package chaintest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"catena/chain/internal/rule"

	"github.com/stretchr/testify/require"
)

var updateFlag = flag.Bool("update", false, "rewrite the golden output of scenarios; read the diff before it is committed")

// scenarioRules are the scenarios that show what a rule is for: without it the
// story goes another way.
var scenarioRules = map[string][]rule.Rule{
	"index_cx1_new_tail.txt":          {rule.TailBarrier},
	"index_cx2_promoted_alone.txt":    {rule.SettledMember},
	"index_cx3_sole_survivor.txt":     {rule.ReadAtMinAck, rule.CommitAtMinAck},
	"index_cx4_stale_head.txt":        {rule.AnswerConfirmed},
	"index_cx5_old_stream.txt":        {rule.PresentStream},
	"index_cx6_one_restarts.txt":      {rule.TruncateToSource},
	"index_unfinished_wait.txt":       {rule.RestartWaits, rule.WaitOut},
	"index_joiner_not_ahead.txt":      {rule.JoinerBehindSource},
	"index_report_then_restart.txt":   {rule.PathPersisted},
	"index_snapshot_under_writes.txt": {rule.CopyAll},
	"index_rollback_head.txt":         {rule.OlderLeaves},
	"index_rollback_middle.txt":       {rule.OlderLeaves},
	"index_rollback_head_parted.txt":  {rule.OlderLeaves},
	"index_rollback_source.txt":       {rule.OlderLeaves},
	"index_rollback_tail.txt":         {rule.LeaseAfterCaughtUp},
}

// TestIndexScenarios plays the stories of chain/testdata. A file is a list of
// commands, each followed by "----" and what came of it; "#" begins a comment.
func TestIndexScenarios(t *testing.T) {
	files, err := filepath.Glob("../testdata/index_*.txt")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), len(scenarioRules))
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			blocks := parseScenario(string(text))
			got := playScenario(blocks, rule.Set{})
			if *updateFlag {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			require.Equal(t, string(text), got)
			for _, left := range scenarioRules[filepath.Base(file)] {
				require.NotEqual(t, got, playScenario(blocks, rule.Without(left)), "the story does not need rule %d", left)
			}
		})
	}
}

// scenarioBlock is a command, with the comments before it.
type scenarioBlock struct{ comment, command string }

func parseScenario(text string) []scenarioBlock {
	var blocks []scenarioBlock
	comment, inOutput := "", false
	for line := range strings.Lines(text) {
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "":
			if !inOutput && comment != "" {
				comment += line
			}
			inOutput = false
		case inOutput:
		case trimmed == "----":
			inOutput = true
		case strings.HasPrefix(trimmed, "#"):
			comment += line
		default:
			blocks = append(blocks, scenarioBlock{comment, trimmed})
			comment = ""
		}
	}
	return blocks
}

func playScenario(blocks []scenarioBlock, rules rule.Set) string {
	var commands []string
	for _, b := range blocks {
		commands = append(commands, b.command)
	}
	outs := runScenario(commands, rules)
	var text strings.Builder
	for i, b := range blocks {
		text.WriteString(b.comment + b.command + "\n----\n" + outs[i])
		if i < len(blocks)-1 {
			text.WriteString("\n")
		}
	}
	return text.String()
}
