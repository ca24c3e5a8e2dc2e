package chaintest

import "slices"

// This file defines scopes and nothing else: a campaign goes by the Digest of
// each, and by the source of the other files (cmd/sim).

// Scopes are what is explored, the quick ones first. Rule numbers and the known
// counterexamples (cx) are those of ../DESIGN.md and of ../testdata.
func Scopes() []Scope {
	return slices.Concat(quickScopes(), wideScopes())
}

// quickScopes are exhausted by every go test.
func quickScopes() []Scope {
	return []Scope{
		// Durability and streams in one epoch: rules 1, 3, 4, 5, cx5.
		{Name: "ab", Serving: 2, Replicas: 2, Epochs: 1, Ops: []opKind{opPut, opPut}, Crashes: 2, Strays: 1, Window: 2},
		{Name: "abc-restart", Serving: 3, Replicas: 3, Epochs: 1, Ops: []opKind{opPut, opPut}, Crashes: 1},
		{Name: "abc-strays", Serving: 3, Replicas: 3, Epochs: 1, Ops: []opKind{opPut}, Crashes: 1, Strays: 1, Window: 2},
		// Leases, new tails and waits: rules 8 to 11, cx1.
		{Name: "abc-removal", Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut}, Ticks: 1, Remove: "ABC", AnyConfig: true},
		{Name: "abc-removals", Serving: 3, Replicas: 3, Epochs: 3, Ops: []opKind{opPut}, Ticks: 1, Remove: "ABC"},
		// A stale head: rule 7, cx4.
		{Name: "abc-stale-head", Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut, opPutAbsent}, Ticks: 1, Remove: "A"},
		// Below MinAck, and a dead chain: rules 6, 14, 15, 16, cx3, cx6.
		{Name: "ab-restart", Serving: 2, Replicas: 2, Epochs: 5, Ops: []opKind{opPut}, Remove: "AB", Join: "AB", Restart: "AB"},
		// Joining and settling: rules 13, 17 to 19, cx2.
		{Name: "ab-join", Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Remove: "AB", Join: "C"},
		{Name: "a-join", Serving: 1, Replicas: 2, MinAck: 1, Epochs: 4, Ops: []opKind{opPut, opPut}, Crashes: 1, Remove: "AB", Join: "AB"},
		// A snapshot while an entry is committed: rule 20.
		{Name: "ab-snapshot", Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Join: "C", Warm: 3, Retain: 1, SlowPages: true},
		// Handing back a lease: rule 12.
		{Name: "abc-drain", Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut}, Crashes: 1, Drains: 1, Remove: "C"},
	}
}

// wideScopes are for campaigns.
func wideScopes() []Scope {
	return []Scope{
		{Name: "ab-slow", Serving: 2, Replicas: 2, Epochs: 1, Ops: []opKind{opPut, opPut}, Crashes: 2, Strays: 1, Window: 2, SlowState: true, KeepInCrash: true},
		{Name: "ab-2-strays", Serving: 2, Replicas: 2, Epochs: 1, Ops: []opKind{opPut, opPut}, Crashes: 2, Strays: 2, Window: 2, SlowState: true, KeepInCrash: true},
		{Name: "abc-restarts", Serving: 3, Replicas: 3, Epochs: 1, Ops: []opKind{opPut, opPut}, Crashes: 2},
		{Name: "abc-removal-strays", Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut}, Ticks: 1, Strays: 1, Remove: "ABC", AnyConfig: true},
		{Name: "abc-removal-crash", Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut}, Crashes: 1, Ticks: 1, Remove: "ABC"},
		{Name: "abc-2-crashes", Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut}, Crashes: 2, Ticks: 1, Remove: "ABC"},
		{Name: "abc-3-epochs-1-crash", Serving: 3, Replicas: 3, Epochs: 3, Ops: []opKind{opPut}, Crashes: 1, Ticks: 1, Remove: "ABC"},
		{Name: "abc-3-epochs-2-ops", Serving: 3, Replicas: 3, Epochs: 3, Ops: []opKind{opPut, opPut}, Crashes: 2, Ticks: 1, Remove: "ABC"},
		{Name: "abc-halves", Serving: 3, Replicas: 3, MinAck: 1, Epochs: 3, Ops: []opKind{opPut}, Ticks: 3, Pass: []int{11}, Remove: "ABC"},
		{Name: "ab-join-time", Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Ticks: 1, Remove: "AB", Join: "C"},
		{Name: "ab-join-crash", Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Crashes: 1, Remove: "AB", Join: "C"},
		{Name: "ab-join-2-crashes", Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Crashes: 2, Ticks: 1, Remove: "AB", Join: "C"},
		{Name: "ab-join-5-epochs", Serving: 2, Replicas: 3, Epochs: 5, Ops: []opKind{opPut}, Remove: "ABC", Join: "ABC"},
		{Name: "a-join-time", Serving: 1, Replicas: 2, MinAck: 1, Epochs: 4, Ops: []opKind{opPut}, Crashes: 1, Ticks: 1, Remove: "AB", Join: "AB"},
		{Name: "ab-restart-crash", Serving: 2, Replicas: 2, Epochs: 5, Ops: []opKind{opPut}, Crashes: 1, Ticks: 1, Remove: "AB", Join: "AB", Restart: "AB"},
		{Name: "ab-snapshot-crash", Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Crashes: 1, Remove: "AB", Join: "C", Warm: 3, Retain: 1, SlowPages: true},
		{Name: "abcd", Serving: 2, Replicas: 4, Epochs: 5, Ops: []opKind{opPut}, Remove: "ABC", Join: "CD"},
	}
}
