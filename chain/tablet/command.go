package tablet

import "catena/chain"

// Times of the protocol, in milliseconds of tablet time.
const (
	// Window: the opIDs of entries with time >= T - Window are known.
	Window = 90_000
	// MaxLearnedAge: a command with L < T - MaxLearnedAge is refused.
	MaxLearnedAge = 60_000
	// StampAge is W: a command with a stamp < T - StampAge is refused, and "not
	// referenced" is answered only when a committed entry has time > stamp + StampAge.
	StampAge = 24 * 3600_000
)

// Command is what a gateway asks of a tablet. The caller of the index client
// sets Op, Learned, Bucket, BucketGen, Key, Stamp, Action, and Repeat if it
// itself sent the opID before; the client that routes it sets Tablet and
// Generation and marks its own repeats (see Tries).
type Command struct {
	// Op names the command over all its repeats; never zero.
	Op chain.OpID
	// Learned is L: a tablet time learned from a committed entry of the tablet
	// that owns the key; 0 if none was learned yet (then it is refused and told).
	Learned int64
	// Repeat says that a try with this opID may have been sent before and was
	// not refused. False promises that none was.
	Repeat bool
	// Tablet and Generation name the range that the caller believes in.
	Tablet     chain.TabletID
	Generation uint64
	Bucket     chain.BucketID
	// BucketGen is the generation of the bucket that the caller used. Not looked
	// at for commands of bucketID 0, SetBucket, ReleaseDone and Empty.
	BucketGen uint64
	// Key is the user key, the system key, or for SetBucket and Empty a key of
	// the range that is meant.
	Key string
	// Stamp is the least of the stamps of the chunks that the command names;
	// required if it names any.
	Stamp  int64
	Action Action
}

// Owner is the key by which the command is routed.
func (c *Command) Owner() []byte { return chain.OwnerKey(c.Bucket, c.Key) }

// Creates reports whether the command needs space: a full store refuses it,
// and takes the others (deletes, aborts, releases).
func (c *Command) Creates() bool {
	switch c.Action.(type) {
	case *PutObject, *PutPart, *CreateUpload:
		return true
	}
	return false
}

// Action is what a command does: one of the pointer types below.
type Action interface{ isAction() }

// Condition is evaluated where the write is ordered. The zero value holds.
type Condition struct {
	// IfMatch is an ETag without quotes or "*"; empty for none. NotFound if
	// there is no object, PreconditionFailed if it has another ETag.
	IfMatch string
	// IfAbsent: there must be no object (If-None-Match: *).
	IfAbsent bool
	// IfNotETag is an ETag that an existing object must not have (If-None-Match).
	IfNotETag string
	// IfSize is the size that the object must have.
	IfSize *int64
	// IfModified is the second (milliseconds since 1970, cut to the second) of
	// the object's mtime.
	IfModified *int64
	// IfRev is the revision that the object must have; 0 for any. For a rename
	// or a change of layout.
	IfRev uint64
}

type (
	// PutObject writes the current row. Object.Layout says where the bytes are:
	// inline (Bytes has them, Layout.Blob is a new blob), extents, or manifest
	// (Manifest has them). The head sets Rev, VersionID and, if zero, Modified.
	PutObject struct {
		Object Object
		// Manifest has the extents of a manifest layout, and the parts of an
		// object that keeps more than MaxRowParts of them.
		Manifest *Manifest
		// Bytes is shared and never changed.
		Bytes []byte
		If    Condition
	}
	// DeleteObject removes the current row; deleting nothing is OK with Existed false.
	DeleteObject struct{ If Condition }
	// DeleteMany removes the keys that lie in the tablet, in one entry. Those
	// outside are answered RefusedTablet each. Command.Key is the first.
	DeleteMany struct{ Keys []DeleteKey }
	// CreateUpload makes an upload row.
	CreateUpload struct {
		ID     chain.ID128
		Upload Upload
	}
	// PutPart writes a part row; NoSuchUpload if the upload row is absent.
	PutPart struct {
		Upload   chain.ID128
		Part     Part
		Manifest *Manifest // of a manifest layout
		Bytes    []byte    // of an inline layout
	}
	// Complete makes the object of the parts named. Object has everything but
	// layout and parts: the head makes those from the part rows. Object.Size is
	// compared with the sum of the parts.
	Complete struct {
		Upload chain.ID128
		Parts  []NamedPart
		Object Object
		If     Condition
	}
	// Abort ends an upload; a release row takes over its parts.
	Abort struct{ Upload chain.ID128 }
	// ReleaseDone says that a worker removed the chunks of a release row, or of
	// some parts of the upload that it took over. Those part rows go; with
	// Last, the release row too (if nothing is left).
	ReleaseDone struct {
		Release []byte // the row's key, as Releases gave it
		Parts   []uint32
		Last    bool
	}
	// Empty orders an entry without rows: time advances.
	Empty struct{}
	// SetRecord changes a system record by compare-and-set. New nil removes it.
	SetRecord struct {
		Old RecordVersion
		New *Record
	}
	// SetBucket puts a bucket row into the tablet that owns Command.Key. It is
	// taken only if its generation is higher; a closed one only if the tablet
	// holds no object, version or upload of the bucket.
	SetBucket struct{ Row BucketRow }
)

// DeleteKey is one key of DeleteMany.
type DeleteKey struct {
	Key string
	If  Condition
}

// NamedPart is a part as the gateway saw it.
type NamedPart struct {
	Number uint32
	Blob   chain.BlobID
}

func (*PutObject) isAction()    {}
func (*DeleteObject) isAction() {}
func (*DeleteMany) isAction()   {}
func (*CreateUpload) isAction() {}
func (*PutPart) isAction()      {}
func (*Complete) isAction()     {}
func (*Abort) isAction()        {}
func (*ReleaseDone) isAction()  {}
func (*Empty) isAction()        {}
func (*SetRecord) isAction()    {}
func (*SetBucket) isAction()    {}
