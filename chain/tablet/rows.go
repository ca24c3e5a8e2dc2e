package tablet

import "catena/chain"

// Bounds of rows. A decoder refuses more; an encoder never makes more.
const (
	// MaxKey is the longest user key, in bytes.
	MaxKey = 1024
	// MaxInline is the largest body that travels in an entry.
	MaxInline = 64 << 10
	// MaxRowExtents is how many extents stand in an object, part or release row;
	// longer lists are in a manifest row.
	MaxRowExtents = 16
	// MaxExtents is how many extents one manifest row holds. A 5 GiB body has
	// 640 chunks; copies of ranges may cut them finer, up to this.
	MaxExtents = 8192
	// MaxParts is the largest part number and the most parts of an upload.
	MaxParts = 10000
	// MaxRowParts is how many part sizes stand in an object row.
	MaxRowParts = 16
	// MaxDeleteKeys is the most keys of one DeleteMany.
	MaxDeleteKeys = 1000
	// MaxDoneParts bounds the parts of one ReleaseDone: each is a part row and
	// at most one manifest or body row, so an entry deletes at most 1,000 rows.
	MaxDoneParts = 499
	// MaxValue bounds the value of any row that is not a body.
	MaxValue = 2 << 20
)

// NullVersion is the version id of an object in a bucket without versions.
const NullVersion = "null"

// Extent is a piece of a chunk.
type Extent struct {
	Chain  chain.ChainID
	Chunk  chain.ChunkID
	Offset uint32
	Length uint32
}

// LayoutKind says where the bytes of a blob are.
type LayoutKind uint8

// The layouts. LayoutCoded is reserved: a row with it is an incompatible one.
const (
	// LayoutEmpty has no bytes.
	LayoutEmpty LayoutKind = 0
	// LayoutInline: the body row (owner, Blob).
	LayoutInline LayoutKind = 1
	// LayoutExtents: Extents, in order.
	LayoutExtents LayoutKind = 2
	// LayoutManifest: the extents of the manifest row (owner, Blob), in order.
	LayoutManifest LayoutKind = 3
	// LayoutUpload: the part rows of Upload that its manifest row lists, in order.
	LayoutUpload LayoutKind = 4
	// LayoutCoded is reserved for coding groups.
	LayoutCoded LayoutKind = 5
)

// Layout is where the bytes of an object or of a part are. The rows and chunks
// that it names belong to the row that holds the layout and to nothing else.
type Layout struct {
	Kind LayoutKind
	// Blob names the body row (inline) or the manifest row.
	Blob chain.BlobID
	// Upload names the upload whose part rows hold the bytes.
	Upload  chain.ID128
	Extents []Extent
}

// Checksum is an additional checksum. The numbers of Algorithm and Type are
// those of s3api/checksum: 1 CRC32, 2 CRC32C, 3 CRC64NVME, 4 SHA1, 5 SHA256;
// 1 full object, 2 composite. Parts is the number of parts of a composite one.
type Checksum struct {
	Algorithm uint8
	Type      uint8
	Sum       []byte
	Parts     uint32
}

// Pair is a name and a value; lists of pairs keep their order.
type Pair struct{ Name, Value string }

// Meta is what a writer says of an object.
type Meta struct {
	Owner        string // the account that owns the object
	StorageClass string // empty for the default
	Headers      []Pair // standard headers, canonical names
	User         []Pair // user metadata, names without prefix
	Tags         []Pair
	// Lock and Encryption are reserved: kept as they are.
	Lock, Encryption []byte
}

// PartSize is one part of a completed multipart object.
type PartSize struct {
	Number uint32
	Size   int64
	// Sum is the part's checksum in the object's algorithm; may be empty.
	Sum []byte
}

// Object is a current or version row. Every field has its final place in the
// format; those that this release does not use are carried as they are.
type Object struct {
	// Rev is the tablet's counter at the entry that wrote the object; it orders
	// the versions of a key. Set by the head.
	Rev uint64
	// VersionID is public; NullVersion without versioning.
	VersionID    string
	DeleteMarker bool
	Size         int64
	// ETag is without quotes.
	ETag string
	// Modified is what clients see, in milliseconds since 1970. Zero in a
	// command: the head's clock.
	Modified  int64
	Checksums []Checksum
	Meta      Meta
	Layout    Layout
	// LayoutGen is raised by each change of the layout alone.
	LayoutGen uint64
	// Parts is the number of parts of a multipart object, 0 for a single body.
	Parts uint32
	// PartSizes has the parts if there are at most MaxRowParts; more are in the manifest.
	PartSizes []PartSize
	// Origin is reserved for migration.
	Origin []byte
}

// Upload is the row of a multipart upload that is not completed.
type Upload struct {
	// Initiated is in milliseconds since 1970; zero in a command: the head's clock.
	Initiated int64
	Meta      Meta
	// Algorithm and ChecksumType are those asked for; 0 for none.
	Algorithm, ChecksumType uint8
}

// Part is the row of one part. Its number is in its key.
type Part struct {
	Number uint32
	// Blob names what this writing of the part wrote: Complete is refused when
	// the part has another.
	Blob     chain.BlobID
	Size     int64
	MD5      [16]byte
	Checksum Checksum
	Modified int64
	Layout   Layout // empty, inline, extents or manifest
}

// Manifest holds what is too long for an object or part row: the parts of a
// completed upload, or the extents of one blob.
type Manifest struct {
	Parts   []PartSize
	Extents []Extent
}

// Release is what a worker has to remove, later: the chunks of a dropped
// layout, with the part and manifest rows that name them.
type Release struct {
	// Time is the tablet time of the entry that dropped the layout.
	Time   int64
	Layout Layout
	// KeepListed: of an upload's parts, those that its manifest lists stay.
	KeepListed bool
}

// BucketRow is what a bucket decides for its keys, as a tablet has it. The row
// of a generation never changes.
type BucketRow struct {
	Generation uint64
	// Closed: nothing may be written or read here: the bucket is being deleted.
	Closed bool
	// Versioning and Settings are reserved (lock default, encryption, policy,
	// quota share): carried as they are.
	Versioning uint8
	Settings   []byte
}

// RecordState is the state of a bucket's system record.
type RecordState uint8

// The states. A deleted bucket has no record.
const (
	RecordActive   RecordState = 1
	RecordDeleting RecordState = 2
)

// Record is a bucket's system record, under the key "bucket/NAME" of bucketID 0.
type Record struct {
	ID         chain.BucketID
	State      RecordState
	Generation uint64
	Owner      string
	Created    int64 // milliseconds since 1970; zero in a command: the head's clock
	Region     string
	// Versioning and Settings go into the bucket rows.
	Versioning uint8
	Settings   []byte
}

// Row is the bucket row of this record's generation.
func (r *Record) Row() BucketRow {
	return BucketRow{Generation: r.Generation, Closed: r.State == RecordDeleting, Versioning: r.Versioning, Settings: r.Settings}
}

// Version is what a compare-and-set compares.
func (r *Record) Version() RecordVersion {
	if r == nil {
		return RecordVersion{}
	}
	return RecordVersion{ID: r.ID, State: r.State, Generation: r.Generation}
}

// RecordVersion identifies the content of a record; zero is "no record".
type RecordVersion struct {
	ID         chain.BucketID
	State      RecordState
	Generation uint64
}

// BucketRecordPrefix begins the system keys of bucket records.
const BucketRecordPrefix = "bucket/"
