package store

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/objectd/vfs"
)

func benchStore(b *testing.B) *Store {
	cfg := testConfig(vfs.NewOS())
	cfg.Dir = b.TempDir() + "/d"
	cfg.SegmentSize, cfg.MemTableBytes, cfg.RowPayloadBytes = DefaultSegmentSize, 16<<20, 512
	s, err := Open(cfg)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

// BenchmarkAppend appends and applies entries of one 250 B row and a payload,
// from several replicas at once: what a PUT of a small object costs one store.
func BenchmarkAppend(b *testing.B) {
	for _, conc := range []int{1, 16} {
		for _, size := range []int{0, 4 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("conc=%d/payload=%d", conc, size), func(b *testing.B) {
				s := benchStore(b)
				payload := chunkBytes(1, size)
				val := chunkBytes(2, 250)
				for i := range conc {
					require.NoError(b, appendAll(s, CreateReplica(Key{Chain: chain.ChainID(i + 1), Incarnation: 1}, chain.KindIndex)))
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				var n atomic.Int64
				var wg sync.WaitGroup
				for i := range conc {
					wg.Add(1)
					go func() {
						defer wg.Done()
						k := Key{Chain: chain.ChainID(i + 1), Incarnation: 1}
						for seq := uint64(1); n.Add(1) <= int64(b.N); seq++ {
							rows := putRow(fmt.Sprint("key", seq), string(val))
							var p []byte
							if size > 0 {
								rows.Puts = append(rows.Puts, bodyRow(fmt.Sprint("body", seq)).Puts...)
								p = payload
							}
							e := entryOf(seq, rows, p)
							if err := appendAll(s, Entry(k, e)); err != nil {
								b.Error(err)
								return
							}
							if err := s.Apply(k, e, after(e), rows); err != nil {
								b.Error(err)
								return
							}
						}
					}()
				}
				wg.Wait()
			})
		}
	}
}

// BenchmarkChunk writes and seals chunks of 1 MiB.
func BenchmarkChunk(b *testing.B) {
	s := benchStore(b)
	require.NoError(b, appendAll(s, CreateReplica(dt, chain.KindData)))
	b.SetBytes(1 << 20)
	b.ResetTimer()
	for i := range b.N {
		require.NoError(b, writeChunk(s, dt, i+1, 1<<20))
		if i >= 200 {
			require.NoError(b, appendAll(s, Remove(dt, []chain.ChunkID{chunkID(i - 199)})))
		}
	}
}

// BenchmarkReader is what a GET of a small object costs one store.
func BenchmarkReader(b *testing.B) {
	s := benchStore(b)
	require.NoError(b, appendAll(s, CreateReplica(ix, chain.KindIndex)))
	payload := chunkBytes(1, 4096)
	for i := range uint64(2000) {
		commit(b, s, ix, entryOf(i+1, bodyRow(fmt.Sprintf("k%04d", i)), payload))
	}
	b.SetBytes(4096)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		r, err := s.Reader(ix)
		require.NoError(b, err)
		_, ok, err := r.Payload(fmt.Appendf(nil, "k%04d", i%2000))
		require.NoError(b, err)
		require.True(b, ok)
		require.NoError(b, r.Close())
	}
}
