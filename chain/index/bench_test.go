package index

import (
	"fmt"
	"testing"

	"catena/chain"
)

// blind is a machine that orders whatever it is given.
type blind struct{}

func (blind) Evaluate(cmd Command, _ Given, at Position) Verdict {
	return Verdict{Entry: &Entry{Rev: at.Seq, Time: at.WallMs, Body: cmd.([]byte)}}
}
func (blind) Append(*Entry) error { return nil }
func (blind) Commit(uint64)       {}
func (blind) Truncate(uint64)     {}
func (blind) Reload(Applied)      {}

// BenchmarkWrite is what the protocol itself costs for one write through three
// replicas, disks and network being free.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{256, 64 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			body := make([]byte, size)
			p := newPipe(b, 1, 2, 3)
			for _, r := range p.r {
				r.machine = blind{}
			}
			p.drop = func(chain.Envelope) bool { return false }
			p.configure(conf(1, 1, 2, 3), 1, 2, 3)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				p.step(rid(1), Propose{ID: 1, Command: body})
				for len(p.queue) > 0 {
					env := p.queue[0]
					p.queue = p.queue[1:]
					p.step(env.To, Deliver{Env: env})
				}
				p.sent = p.sent[:0]
				for _, m := range p.m {
					m.rows = m.rows[:0]
				}
			}
		})
	}
}
