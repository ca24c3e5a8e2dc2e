package objectd

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMailboxKeepsOrderPerSenderAndLosesNothing(t *testing.T) {
	m := newMailbox()
	const senders, each = 8, 1000
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				m.post([2]int{s, i})
			}
		})
	}
	go func() { wg.Wait(); m.close() }()
	next := [senders]int{}
	var buf []any
	for items := m.take(nil); items != nil; items = m.take(buf) {
		for _, it := range items {
			v := it.([2]int)
			require.Equal(t, next[v[0]], v[1])
			next[v[0]]++
		}
		clear(items)
		buf = items
	}
	for _, n := range next {
		require.Equal(t, each, n)
	}
	require.False(t, m.post(1), "a closed mailbox refuses")
}
