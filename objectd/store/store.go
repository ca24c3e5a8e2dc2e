package store

import (
	"catena/chain"
	"catena/chain/data"
	"catena/chain/index"
	"catena/chain/tablet"
	"catena/objectd/vfs"
)

// Identity reads which store a directory belongs to. ok is false for a
// directory that has no identity (or does not exist).
func Identity(fs vfs.FS, dir string) (id chain.StoreID, ok bool, err error) {
	return id, false, ErrInvalid
}

// Store is one disk, open. Make one with Open.
type Store struct{ cfg Config }

// Open opens the store in a directory, or makes one in an empty directory. It
// replays the log, and when it returns everything that Replicas tells is
// durable. ErrIdentity, ErrLocked, ErrDamaged and ErrTooNew say what is wrong
// with the directory.
func Open(cfg Config) (*Store, error) { return nil, ErrInvalid }

// Close syncs and flushes what was appended and applied, and releases the
// directory. Readers must be closed before. A failed store is only dropped.
func (s *Store) Close() error { return ErrInvalid }

// Failed gives why the store ended; nil while it works.
func (s *Store) Failed() error { return ErrInvalid }

// Replicas tells what Open found, ordered by key. Call it once, before
// anything is appended; the entries are released with it.
func (s *Store) Replicas() []Recovered { return nil }

// Append queues records. done is called once, when all of them are durable
// (nil) or the store failed, from a goroutine of the store and never before
// Append returns its caller the chance to go on: it must not block and may
// call Append. The dones of one replica are called in the order of Append.
func (s *Store) Append(done func(error), recs ...Record) {}

// Apply makes a committed entry visible in the rows of an index replica. The
// entry was appended to this store before; if it is not durable yet, Apply
// waits until it is. Entries are applied in order, each once.
func (s *Store) Apply(k Key, e *index.Entry, after index.Applied, rows tablet.Rows) error {
	return ErrInvalid
}

// Applied is the position of an index replica's rows.
func (s *Store) Applied(k Key) (index.Applied, error) { return index.Applied{}, ErrInvalid }

// Reader reads the rows of an index replica as they are now, and stays there.
// Close it soon: it holds segments back from reuse.
func (s *Store) Reader(k Key) (*Reader, error) { return nil, ErrInvalid }

// Reader implements tablet.Reader over one consistent state of the rows. It is
// for one goroutine.
type Reader struct{}

// Applied is the position of the rows that this reader sees.
func (r *Reader) Applied() index.Applied { return index.Applied{} }

// Get implements tablet.Reader.
func (r *Reader) Get(key []byte) (value []byte, ok bool, err error) { return nil, false, ErrInvalid }

// Scan implements tablet.Reader. An empty to is the end of all rows.
func (r *Reader) Scan(from, to []byte, fn func(key, value []byte) bool) error { return ErrInvalid }

// Payload implements tablet.Reader.
func (r *Reader) Payload(key []byte) (bytes []byte, ok bool, err error) {
	return nil, false, ErrInvalid
}

// Close releases the reader.
func (r *Reader) Close() error { return nil }

// ReadPage reads the committed rows of an index replica from a key on (nil:
// the first), payload bytes included, for a snapshot. A page has at least one
// row unless there is none, and otherwise at most maxRows and about maxBytes.
func (s *Store) ReadPage(k Key, from []byte, maxRows, maxBytes int) (index.Page, error) {
	return index.Page{}, ErrInvalid
}

// InstallPage writes a page's rows into an index replica, after BeginInstall.
// done is as in Append, in order with it; the rows are readable then.
func (s *Store) InstallPage(k Key, page index.Page, done func(error)) {}

// EndInstall sets the position of the rows after the last page, and returns
// when that is durable.
func (s *Store) EndInstall(k Key, applied index.Applied) error { return ErrInvalid }

// Reserve takes contiguous space for a chunk of a data replica. ErrFull if
// creates have no room, ErrInvalid if the id is open or sealed already.
func (s *Store) Reserve(k Key, h data.Header) error { return ErrInvalid }

// WriteFrame writes the next bytes of a reserved chunk; offset must be where
// the last frame ended. With the last byte it gives the sums of what was
// written. bytes is not kept.
func (s *Store) WriteFrame(k Key, id chain.ChunkID, offset uint32, bytes []byte) (data.Sums, error) {
	return nil, ErrInvalid
}

// Seal syncs a wholly written chunk and then its seal record. done is as in
// Append, in order with it; the chunk is readable and listed then.
func (s *Store) Seal(k Key, h data.Header, sums data.Sums, done func(error)) {}

// Release frees the space of a chunk that was not sealed. Unknown ids are ignored.
func (s *Store) Release(k Key, id chain.ChunkID) {}

// Clone points the id of h at h.Size bytes of a sealed chunk from offset on.
// It tells at once ErrGone if the old chunk is not there (or a removal is
// queued) or ErrInvalid; then done is not called. Otherwise done is as in Append.
func (s *Store) Clone(k Key, h data.Header, old chain.ChunkID, offset uint32, done func(error)) error {
	return ErrInvalid
}

// List gives sealed chunks of a data replica after an id, in order, at most max.
// more says that there are others behind. The sums of a clone are of its own bytes.
func (s *Store) List(k Key, after chain.ChunkID, max int) (chunks []data.Chunk, more bool, err error) {
	return nil, false, ErrInvalid
}

// Chunk describes a sealed chunk.
func (s *Store) Chunk(k Key, id chain.ChunkID) (ChunkInfo, error) { return ChunkInfo{}, ErrInvalid }

// ReadChunk reads n bytes of a sealed chunk at off. Each 64 KiB block touched
// is verified before a byte is returned: read in multiples of 64 KiB where
// possible. ErrGone, ErrDamaged, or ErrInvalid for a range outside the chunk.
func (s *Store) ReadChunk(k Key, id chain.ChunkID, off, n uint32) ([]byte, error) {
	return nil, ErrInvalid
}

// Quarantined lists the chunks that were found damaged.
func (s *Store) Quarantined() []QuarantinedChunk { return nil }

// Free is the space left for creates, in bytes; 0 or less means full.
func (s *Store) Free() int64 { return 0 }

// Stats describes the store now.
func (s *Store) Stats() Stats { return Stats{} }

// Maintain does what background work is due, now and to its end: flushes the
// rows, frees and prepares segments. The store does the same by itself; tests
// and shutdown call it to have it done.
func (s *Store) Maintain() error { return ErrInvalid }
