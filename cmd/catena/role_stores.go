package main

import (
	"fmt"
	"slices"
	"time"

	"catena/chain"
	"catena/cmd/internal/admin"
	"catena/cmd/internal/identity"
	"catena/master"
	"catena/objectd/store"

	"golang.org/x/sys/unix"
)

// This file is what `catena status` tells of the stores.

// measureTimeout is how long the disks may take to say what they hold.
const measureTimeout = time.Second

// measured is what the disks said of themselves.
type measured struct {
	space map[chain.StoreID]store.Stats
	// devices are the devices' numbers.
	devices map[chain.StoreID]string
}

// measure asks the disks, in the background: one that does not answer costs the
// others' figures, and never the answer. It is empty when nothing is known.
func (o *operator) measure(r *role) measured {
	if o.measuring.Swap(true) {
		return measured{}
	}
	got := make(chan measured, 1)
	go func() {
		defer o.measuring.Store(false)
		m := measured{space: r.node.Stats(), devices: map[chain.StoreID]string{}}
		for _, u := range r.Identity.Plan().Use {
			m.devices[u.Store] = deviceOf(u.Path)
		}
		got <- m
	}()
	t := time.NewTimer(measureTimeout)
	defer t.Stop()
	select {
	case m := <-got:
		return m
	case <-t.C:
		return measured{}
	}
}

// deviceOf gives the number of the device that holds a directory; empty if the
// system does not say. What shares its space without sharing the number, like
// two subvolumes of one btrfs, is not told apart here, nor at the start.
func deviceOf(dir string) string {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return ""
	}
	dev := uint64(st.Dev) //nolint:unconvert // the widths differ by platform
	return fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev))
}

// storesFor puts together what log, eyes, record and disks know of the stores.
// complete: every chain has all its copies.
func (r *role) storesFor(stores []master.StoreStatus, m measured, complete bool) []admin.Store {
	rec := r.Identity.Record()
	out := make([]admin.Store, 0, len(stores))
	for i := range stores {
		s := &stores[i]
		a := admin.Store{ID: s.ID.String(), State: storeState(s), Alive: s.Alive, Full: s.Full, Replicas: s.Replicas, Reason: s.Seen}
		if a.Reason == "" {
			a.Reason = s.Reason
		}
		if !s.Replaces.IsZero() {
			a.Replaces = s.Replaces.String()
		}
		if line, ok := rec.Find(s.ID); ok {
			a.Path = line.Path
		}
		if sp, ok := m.space[s.ID]; ok {
			a.Space = spaceFor(sp, m.devices[s.ID])
		}
		if s.Away != nil {
			used := slices.ContainsFunc(r.Identity.Plan().Use, func(u identity.Use) bool { return u.Store == s.ID })
			tellAway(&a, *s.Away, awayContext{now: time.Now(), used: used, complete: complete})
		}
		out = append(out, a)
	}
	return out
}

func spaceFor(sp store.Stats, device string) *admin.Space {
	return &admin.Space{
		Used: sp.Bytes + sp.RowBytes, Free: max(sp.Free, 0), Device: device,
		Chunks: sp.Chunks, ChunkBytes: sp.ChunkBytes, Damaged: sp.Damaged, Quarantined: sp.Quarantined,
	}
}

// storeState is the masters' log's word for a store, but that "failed" is said
// only of one that had an I/O error: for the log any absence is a failure.
func storeState(s *master.StoreStatus) string {
	switch s.State {
	case chain.StoreLive:
		return "live"
	case chain.StoreFailed:
		if !s.Broken && (s.Away == nil || !s.Away.Broken) {
			return "absent"
		}
		return "failed"
	case chain.StoreReplaced:
		return "replaced"
	}
	return "unknown"
}

// awayContext is what the meaning of an absence rests on.
type awayContext struct {
	now time.Time
	// used: this process has the store's directory open. complete: every chain has
	// all its copies.
	used, complete bool
}

// tellAway says since when a store is away, what it means, and what can be done.
func tellAway(a *admin.Store, away master.Away, c awayContext) {
	a.AwaySince, a.AwayOrLonger = c.now.Add(-away.For).UTC().Truncate(time.Second), away.OrLonger
	if away.Waited > 0 {
		a.WaitedUntil = c.now.Add(away.Waited).UTC().Truncate(time.Second)
	}
	where := a.Path
	if where == "" {
		where = "its directory"
	}
	meaning := "its chains wait for it no longer: each gets another copy as soon as a store has a place for it"
	switch {
	case c.complete:
		meaning = "every chain has all its copies without it"
	case away.Waited > 0:
		meaning = fmt.Sprintf("its chains wait for it until %s; then each gets another copy if a store has a place for it",
			a.WaitedUntil.Format(time.RFC3339))
	}
	switch {
	case away.Broken:
		a.Next = meaning + "; to replace it, start with an empty directory in the place of " + where
	case c.used:
		a.Next = meaning + "; it joins them again when what keeps it away is over"
	default:
		a.Next = fmt.Sprintf("%s; to have it back, start with %s as it was; to give it up, with an empty directory in its place", meaning, where)
	}
}
