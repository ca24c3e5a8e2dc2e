package tablet

// Reader reads the committed rows of one replica at one applied position. The
// driver makes one over its store; nothing changes under it while it is used.
type Reader interface {
	// Get returns the value of a row; ok is false if there is none.
	Get(key []byte) (value []byte, ok bool, err error)
	// Scan calls fn for each row in [from, to), in order, until fn returns
	// false. key and value are valid only during the call. A nil to is the end
	// of all rows. Body rows are scanned with an empty value.
	Scan(from, to []byte, fn func(key, value []byte) bool) error
	// Payload returns the bytes of a body row, verified.
	Payload(key []byte) (bytes []byte, ok bool, err error)
}

// Put is one row that an entry writes.
type Put struct {
	Key, Value []byte
	// Payload marks the entry's one body row: its value is the entry's payload.
	Payload bool
}

// Rows is what an entry does to a replica's rows. Deletes come after puts.
type Rows struct {
	Puts    []Put
	Deletes [][]byte
	// Objects and Bytes are by how much the entry changes the bucket's object
	// count and size; for quotas and statistics.
	Objects, Bytes int64
}
