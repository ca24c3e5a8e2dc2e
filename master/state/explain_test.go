package state

import (
	"maps"
	"slices"
	"testing"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

// waits gives the different reasons for which chains wait.
func (s *sim) waits() []string {
	out := map[string]bool{}
	for _, why := range Look(s.st, s.observed(nil)).Waits {
		out[why] = true
	}
	return slices.Sorted(maps.Keys(out))
}

func TestWhatTheChainsWaitFor(t *testing.T) {
	t.Run("nothing", func(t *testing.T) { require.Empty(t, scene(t, 3, 3).waits()) })
	t.Run("another store", func(t *testing.T) {
		s := scene(t, 3, 3)
		s.set(2, Health{Broken: true, Reason: "EIO"})
		require.Empty(t, s.waits(), "what is done next is no wait")
		s.round(nil, 100)
		require.Equal(t, []string{"no other store is live: put an empty directory in the place of a lost one, or add one"}, s.waits())
	})
	t.Run("an absent store", func(t *testing.T) {
		s := scene(t, 4, 3)
		s.set(1, Health{Reason: "silent"})
		s.round(nil, 100)
		require.Len(t, s.waits(), 1)
		require.Contains(t, s.waits()[0], "is waited for 600 s")
	})
	t.Run("room", func(t *testing.T) {
		s := scene(t, 4, 3)
		for i := 2; i <= 4; i++ {
			s.set(i, Health{Alive: true, Full: true})
		}
		s.set(1, Health{Broken: true})
		s.round(nil, 100)
		require.Contains(t, s.waits()[0], "is full and takes no copy")
	})
	t.Run("a flapping store", func(t *testing.T) {
		s := scene(t, 3, 3)
		s.set(3, Health{Broken: true})
		s.round(nil, 100)
		s.set(3, Health{Alive: true, Incarnation: 2, Flaps: 3})
		s.round(nil, 100)
		require.Contains(t, s.waits()[0], "was lost a short while ago")
	})
	t.Run("a member without which it could not commit", func(t *testing.T) {
		s := scene(t, 2, 2)
		s.set(2, Health{Reason: "silent"})
		s.round(nil, 100)
		require.Contains(t, s.waits()[0], "without it the chain could not commit")
	})
	t.Run("a joiner", func(t *testing.T) {
		s := scene(t, 4, 3)
		s.set(1, Health{Broken: true})
		s.round(nil, 100)
		s.round(nil, 100)
		require.NotEmpty(t, s.waits())
		require.Contains(t, s.waits()[0], "is filled from")
	})
	t.Run("members that lost their rows", func(t *testing.T) {
		s := scene(t, 4, 3)
		var lost []chain.Report
		for _, r := range s.cfg(1).Serving {
			lost = append(lost, chain.Report{Kind: chain.ReportDiverged, Chain: 1, Epoch: s.cfg(1).Epoch, From: r, Replica: r, Detail: "files gone"})
		}
		look := Look(s.st, s.observed(lost))
		require.Empty(t, look.Commands, "nobody joins where there is nobody to copy from")
		require.Contains(t, look.Waits[1], "no member serves")
		require.Contains(t, look.Waits[1], "files gone")
	})
	t.Run("one of the recoverable set", func(t *testing.T) {
		s := scene(t, 3, 3)
		for i := 1; i <= 3; i++ {
			s.set(i, Health{Reason: "unplugged"})
		}
		s.round(nil, 100)
		require.Contains(t, s.waits()[0], "no member serves; one of those that hold every acknowledged write has to come back")
		require.Contains(t, s.waits()[0], "unplugged")
	})
}

func TestForceIsTheLastResort(t *testing.T) {
	s := scene(t, 3, 3)
	s.set(3, Health{Broken: true})
	s.round(nil, 100)
	old := chain.ReplicaID{Store: sid(3), Incarnation: 1}
	require.ErrorContains(t, CanForce(s.st, s.observed(nil), 99, old), "chain 99 is not known")
	require.ErrorContains(t, CanForce(s.st, s.observed(nil), 1, old), "holds every acknowledged write and can serve")
	s.set(1, Health{Broken: true})
	s.set(2, Health{Broken: true})
	require.ErrorContains(t, CanForce(s.st, s.observed(nil), 1, old), "cannot serve")
	s.set(3, Health{Alive: true, Incarnation: 2})
	s.round(nil, 100)
	require.ErrorContains(t, CanForce(s.st, s.observed(nil), 1, chain.ReplicaID{Store: sid(3), Incarnation: 8}), "knows no replica")
	require.NoError(t, CanForce(s.st, s.observed(nil), 1, old))
	diverged := []chain.Report{{Kind: chain.ReportDiverged, Chain: 1, Epoch: s.cfg(1).Epoch, From: old, Replica: old, Detail: "bit rot"}}
	require.ErrorContains(t, CanForce(s.st, s.observed(diverged), 1, old), "bit rot")
}

func TestWhatAFactorWillDo(t *testing.T) {
	s := scene(t, 3, 3)
	for to, want := range map[uint8]string{0: "not between 1 and 9", 4: "needs 4 stores that live, and there are 3", 10: "not between 1 and 9"} {
		_, err := LookAtFactor(s.st, s.observed(nil), to)
		require.ErrorContains(t, err, want)
	}
	f, err := LookAtFactor(s.st, s.observed(nil), 2)
	require.NoError(t, err)
	require.Equal(t, FactorChange{From: 3, To: 2, MinAck: 2, Shrink: 4, Live: 3}, f)
	f, err = LookAtFactor(s.st, s.observed(nil), 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, f.MinAck)
	s.set(3, Health{Broken: true})
	s.round(nil, 100)
	f, err = LookAtFactor(s.st, s.observed(nil), 3)
	require.NoError(t, err, "what holds already is not refused because a store is lost")
	require.Equal(t, FactorChange{From: 3, To: 3, MinAck: 2, Grow: 4, Live: 2}, f)
	f, err = LookAtFactor(s.st, s.observed(nil), 2)
	require.NoError(t, err, "a lower factor makes two of two full")
	require.Zero(t, f.Grow+f.Shrink)
	_, err = LookAtFactor(s.st, s.observed(nil), 4)
	require.ErrorContains(t, err, "there are 2")
}
