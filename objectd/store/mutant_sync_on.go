//go:build mutant_ack_before_sync

package store

import "time"

// ackBeforeSync makes a build for the audits of the tests: records are told to
// be durable when they were written, and are synced a while later. A test of
// power cuts, or an audit of system calls, that passes with it tests nothing.
const ackBeforeSync = true

// syncLate syncs what was acknowledged already; long enough after it that the
// answers are out.
func (l *logWriter) syncLate() {
	time.Sleep(20 * time.Millisecond)
	_ = l.syncLog() // an error ends the store, which is told there
}
