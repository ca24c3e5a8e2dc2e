package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"catena/chain/chaintest"
	"catena/cmd/internal/campaign"
	"catena/cmd/internal/harness"
)

// explorer is the campaign that explores scopes; each scope is a unit and a line.
const explorer = "explorer"

// chaintestDir has the explorer, below the module's root.
const chaintestDir = "chain/chaintest"

// exploreGC keeps the heap of an exploration near what it holds.
const exploreGC = 40

// exploreCalm is of how many states one is asked whether the chain becomes whole.
const exploreCalm = 500

// errViolation ends a campaign whose story was told.
var errViolation = errors.New("an invariant is broken")

// explored is what the lines say of a scope.
type explored struct {
	Scope     string
	States    int
	Exhausted bool
}

// explore goes through the scopes that the recorded slices of the same code did
// not finish, or through the one that is named.
func explore(o options, out io.Writer) error {
	scopes, err := scopesNamed(o.scope)
	if err != nil {
		return err
	}
	root, err := harness.Root()
	if err != nil {
		return err
	}
	hash, err := campaign.Hash(root, "chain")
	if err != nil {
		return err
	}
	source, err := explorerSource(root)
	if err != nil {
		return err
	}
	done, err := finished(root, hash, source, scopes)
	if err != nil {
		return err
	}
	debug.SetGCPercent(exploreGC)
	end := time.Now().Add(time.Duration(o.minutes * float64(time.Minute)))
	for _, s := range scopes {
		if before := done[s.Name]; o.scope == "" && (before.Exhausted || before.States >= o.states) {
			continue
		}
		left := time.Until(end)
		if left <= 0 {
			break
		}
		if err := exploreOne(o, root, source, s, left, out); err != nil {
			return err
		}
	}
	return nil
}

// exploreOne explores a scope, tells what it found, and records it.
func exploreOne(o options, root, source string, s chaintest.Scope, left time.Duration, out io.Writer) error {
	slice, err := campaign.Begin(root, explorer, "chain")
	if err != nil {
		return err
	}
	res := chaintest.Explore(s, chaintest.ExploreOptions{States: o.states, Time: left, Calm: exploreCalm})
	fmt.Fprintln(out, res)
	if res.Err != nil {
		fmt.Fprintln(out, strings.Join(res.Story, "\n"))
	}
	if o.record {
		detail := map[string]any{
			"scope": s.Name, "definition": definition(source, s), "states": res.States, "transitions": res.Transitions,
			"depth": res.Depth, "calmed": res.Calmed, "exhausted": res.Exhausted,
		}
		units := 1
		if res.Err != nil {
			units = 0
		}
		if err := slice.End(units, detail, res.Err); err != nil {
			return err
		}
	}
	if res.Err != nil {
		return fmt.Errorf("scope %s: %w: %w", s.Name, errViolation, res.Err)
	}
	return nil
}

// scopesNamed is the scope of a name; every one for no name.
func scopesNamed(name string) ([]chaintest.Scope, error) {
	if name == "" {
		return chaintest.Scopes(), nil
	}
	var names []string
	for _, s := range chaintest.Scopes() {
		if s.Name == name {
			return []chaintest.Scope{s}, nil
		}
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return nil, fmt.Errorf("no scope %q; there are %s", name, strings.Join(names, ", "))
}

// explorerSource is a hash of what explores: of chaintest without the scopes,
// whose definitions count one by one, and without the simulator of data chains.
// The choices and the reductions are in there, and so a change of either counts.
func explorerSource(root string) (string, error) {
	files, err := filepath.Glob(filepath.Join(root, chaintestDir, "*.go"))
	if err != nil {
		return "", err
	}
	var named []string
	for _, f := range files {
		base := filepath.Base(f)
		if base != "explore_scopes.go" && !strings.HasPrefix(base, "data_") && !strings.HasSuffix(base, "_test.go") {
			named = append(named, filepath.Join(chaintestDir, base))
		}
	}
	return campaign.Hash(root, named...)
}

// definition is what a scope was when it was explored: its bounds, and how the
// explorer goes through them.
func definition(source string, s chaintest.Scope) string { return source + "-" + s.Digest() }

// finished is, for each of the scopes, the most that a passed line of this code
// says of it as it is defined now.
func finished(root, hash, source string, scopes []chaintest.Scope) (map[string]explored, error) {
	now := map[string]string{}
	for _, s := range scopes {
		now[s.Name] = definition(source, s)
	}
	lines, err := campaign.Slices(root, explorer, hash)
	if err != nil {
		return nil, err
	}
	done := map[string]explored{}
	for _, l := range lines {
		name, _ := l.Detail["scope"].(string)
		then, _ := l.Detail["definition"].(string)
		if now[name] == "" || then != now[name] {
			continue
		}
		states, _ := l.Detail["states"].(float64) // as JSON has every number
		exhausted, _ := l.Detail["exhausted"].(bool)
		if d := done[name]; l.Passed() && !d.Exhausted && int(states) >= d.States {
			done[name] = explored{name, int(states), exhausted}
		}
	}
	return done, nil
}
