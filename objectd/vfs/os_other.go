//go:build !linux

package vfs

// SyncData syncs everything: there is no cheaper call that is safe.
func (f *osFile) SyncData() error { return f.f.Sync() }

// Preallocate only sets the length.
func (f *osFile) Preallocate(size int64) error {
	f.fs.note("space cannot be reserved ahead on this system: a full disk is met later and syncs cost more")
	return f.f.Truncate(size)
}

// PunchHole is not supported.
func (f *osFile) PunchHole(off, n int64) error {
	f.fs.note("holes cannot be punched on this system: space comes back only with whole segments")
	return ErrUnsupported
}
