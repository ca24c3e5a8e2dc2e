package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/cmd/internal/admin"
	"catena/cmd/internal/clock"
	"catena/cmd/internal/config"
	"catena/cmd/internal/identity"
	"catena/cmd/internal/lifecycle"
	"catena/master"
	"catena/objectd/vfs"
)

// startStores starts masters and stores of the directories, without a gateway.
func startStores(t *testing.T, log *slog.Logger, dirs ...string) (r *role, stop func()) {
	t.Helper()
	set, err := identity.Open(identity.Config{Dirs: dirs})
	require.NoError(t, err)
	require.NoError(t, set.Form())
	r = &role{clock: clock.System{}, fs: vfs.NewOS(), roleEnv: roleEnv{
		Operator: &operator{}, Config: config.Default(), Identity: set, Log: log,
		Metrics: prometheus.NewRegistry(), Group: lifecycle.NewGroup(log), SetReady: newReadiness().set,
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, r.startMasters(ctx))
	require.NoError(t, r.startStores(ctx))
	require.NoError(t, r.masters.WaitReady(ctx))
	return r, func() {
		require.NoError(t, r.node.Stop())
		require.NoError(t, r.masters.Close())
		set.Close()
	}
}

// statusOnce asks until the disks have said what they hold and the condition is met.
func statusOnce(t *testing.T, r *role, met func(admin.Status) bool) (st admin.Status) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		st, err = r.Operator.Status(t.Context())
		require.NoError(t, err)
		return met(st)
	}, 20*time.Second, 10*time.Millisecond)
	return st
}

// Directories that share a device have its free space together, and one that is
// left out at the next start is absent, not failed.
func TestStatusOfARealServer(t *testing.T) {
	root := t.TempDir()
	dirs := []string{filepath.Join(root, "d1"), filepath.Join(root, "d2"), filepath.Join(root, "d3")}
	r, stop := startStores(t, quiet(), dirs...)
	st := statusOnce(t, r, func(st admin.Status) bool { return st.Space.Devices > 0 && st.Stores[0].Space != nil })
	require.Equal(t, 1, st.Space.Devices)
	var used int64
	least := st.Stores[0].Space.Free
	for _, s := range st.Stores {
		require.Equal(t, "live", s.State)
		require.Zero(t, s.AwaySince)
		require.Empty(t, s.Next)
		require.Regexp(t, `^\d+:\d+$`, s.Space.Device)
		require.Equal(t, st.Stores[0].Space.Device, s.Space.Device)
		used, least = used+s.Space.Used, min(least, s.Space.Free)
	}
	require.Equal(t, used, st.Space.Used)
	require.Equal(t, least, st.Space.Free, "not three times as much")
	wire, err := json.Marshal(st)
	require.NoError(t, err)
	require.NotContains(t, string(wire), "null", "a list with nothing in it is an empty one")
	stop()

	r, stop = startStores(t, quiet(), dirs[:2]...)
	defer stop()
	st = statusOnce(t, r, func(st admin.Status) bool {
		return len(st.Stores) == 3 && st.Stores[2].State != "live" && st.Space.Devices > 0
	})
	gone := st.Stores[2]
	require.Equal(t, "absent", gone.State)
	require.Equal(t, "its directory is not among the given ones", gone.Reason)
	require.True(t, gone.AwayOrLonger)
	require.WithinDuration(t, time.Now(), gone.AwaySince, 30*time.Second)
	require.WithinDuration(t, gone.AwaySince.Add(10*time.Minute), gone.WaitedUntil, 2*time.Second)
	require.Contains(t, gone.Next, "its chains wait for it until "+gone.WaitedUntil.Format(time.RFC3339))
	require.Contains(t, gone.Next, "to have it back, start with "+dirs[2]+" as it was; to give it up, with an empty directory in its place")
	require.Nil(t, gone.Space)

	starved := master.StoreStatus{Seen: "no room for its log", Away: &master.Away{}}
	starved.ID, starved.State = r.Identity.Plan().Use[0].Store, chain.StoreFailed
	told := r.storesFor([]master.StoreStatus{starved}, measured{}, false)
	require.Equal(t, "absent", told[0].State)
	require.Contains(t, told[0].Next, "it joins them again when", "its directory is in use: nobody has to start anything")

	var b bytes.Buffer
	require.NoError(t, printStatus(&b, st, false))
	require.NotContains(t, b.String(), "failed")
	require.Contains(t, b.String(), "store "+gone.ID[:8]+" is absent, but not broken, since "+gone.AwaySince.Format(time.RFC3339)+" or longer")
	require.Contains(t, b.String(), "free on 1 device;")
	require.Contains(t, b.String(), "  "+dirs[0]+", "+dirs[1]+" share device ")
}

// What an absence means depends on why, how long, and what the chains have.
func TestWhatAnAbsenceMeans(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		away    master.Away
		context awayContext
		want    string
		until   time.Time
	}{
		"waited for": {
			master.Away{For: time.Minute, Waited: 9 * time.Minute}, awayContext{},
			"its chains wait for it until 2026-11-25T12:09:00Z; then each gets another copy if a store has a place for it; " +
				"to have it back, start with /d2 as it was; to give it up, with an empty directory in its place",
			now.Add(9 * time.Minute),
		},
		"no longer": {
			master.Away{For: time.Hour}, awayContext{},
			"its chains wait for it no longer: each gets another copy as soon as a store has a place for it; " +
				"to have it back, start with /d2 as it was; to give it up, with an empty directory in its place",
			time.Time{},
		},
		"not missed": {
			master.Away{For: time.Hour}, awayContext{complete: true},
			"every chain has all its copies without it; " +
				"to have it back, start with /d2 as it was; to give it up, with an empty directory in its place",
			time.Time{},
		},
		"starved": {
			master.Away{For: time.Hour}, awayContext{complete: true, used: true},
			"every chain has all its copies without it; it joins them again when what keeps it away is over",
			time.Time{},
		},
		"broken": {
			master.Away{Broken: true, For: time.Hour}, awayContext{used: true},
			"its chains wait for it no longer: each gets another copy as soon as a store has a place for it; " +
				"to replace it, start with an empty directory in the place of /d2",
			time.Time{},
		},
	} {
		a := admin.Store{Path: "/d2"}
		tt.context.now = now
		tellAway(&a, tt.away, tt.context)
		require.Equal(t, tt.want, a.Next, name)
		require.Equal(t, tt.until, a.WaitedUntil, name)
		require.Equal(t, now.Add(-tt.away.For), a.AwaySince, name)
	}
	for want, s := range map[string]master.StoreStatus{
		"absent": {Away: &master.Away{}},
		"failed": {Away: &master.Away{Broken: true}},
	} {
		s.State = chain.StoreFailed
		require.Equal(t, want, storeState(&s))
	}
	s := master.StoreStatus{}
	s.State, s.Broken = chain.StoreFailed, true
	require.Equal(t, "failed", storeState(&s), "the log remembers, also before anything is heard of it")
}
