//go:build !mutant_ack_before_sync

package store

// ackBeforeSync is false in every build that is meant to be used. See
// mutant_sync_on.go.
const ackBeforeSync = false

func (l *logWriter) syncLate() {}
