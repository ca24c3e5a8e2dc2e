package tablet

import (
	"catena/chain"
	"catena/chain/index"
)

// Query is what a gateway or worker reads at the tail of a tablet. The client
// that routes it sets Tablet and Generation.
type Query struct {
	Tablet     chain.TabletID
	Generation uint64
	Bucket     chain.BucketID
	// BucketGen is the generation that the caller used; not looked at for
	// bucketID 0 and for the questions of workers.
	BucketGen uint64
	// Key is the user key; for scans the first key (inclusive) from which this
	// tablet is asked, empty for the bucket's first.
	Key string
	Ask Ask
}

// Owner is the key by which the query is routed.
func (q *Query) Owner() []byte { return chain.OwnerKey(q.Bucket, q.Key) }

// View is where a query is answered: the tablet as its replica knows it, and
// the applied position of the rows.
type View struct {
	Tablet  chain.Tablet
	Applied index.Applied
	// Stop is asked now and then while rows are scanned, and ends the page early
	// by saying true: a bound of time, which only the driver can know. Every page
	// steps over at least one row. May be nil.
	Stop func() bool
}

// Ask is what a query asks: one of the types below.
type Ask interface{ isAsk() }

type (
	// AskTime asks for nothing but the tablet's committed time.
	AskTime struct{}
	// AskBucket asks for the tablet's row of the bucket, whatever its generation.
	AskBucket struct{}
	// AskObject asks for the current row: Result.Object. With Bytes, the bytes
	// of an inline layout and the extents (up to MaxRowParts parts) come with it.
	AskObject struct{ Bytes bool }
	// AskParts asks for some parts of a completed or running upload, by number,
	// with inline bytes and manifests resolved: Result.Parts. At most
	// MaxAskParts are answered; those that are absent are left out.
	AskParts struct {
		Upload  chain.ID128
		Numbers []uint32
	}
	// AskUpload asks for an upload and its parts after a number: Result.Upload,
	// Parts (without resolving their layouts), More.
	AskUpload struct {
		Upload chain.ID128
		After  uint32
		Max    int
	}
	// AskList asks for a page of current rows: Result.List.
	AskList struct {
		Prefix, Delimiter string
		// After is exclusive: a key, or a common prefix.
		After string
		Max   int
		// MaxSteps bounds the rows stepped over; 0 for DefaultSteps.
		MaxSteps int
	}
	// AskUploads asks for a page of uploads by key, then id: Result.Uploads.
	AskUploads struct {
		Prefix, Delimiter string
		AfterKey          string
		// AfterID is exclusive within AfterKey; zero: everything of AfterKey is skipped.
		AfterID  chain.ID128
		Max      int
		MaxSteps int
	}
	// AskRecord asks for the system record Query.Key: Result.Record.
	AskRecord struct{}
	// AskRecords asks for a page of bucket records by name: Result.Records.
	AskRecords struct {
		Owner         string // empty for all
		Prefix, After string // of the name, without BucketRecordPrefix
		Max           int
	}
	// AskReleases asks for release rows of the whole tablet after a row key
	// (nil: the first), that were dropped at or before a tablet time: Result.Releases.
	AskReleases struct {
		After  []byte
		Before int64
		Max    int
	}
	// AskRelease asks what one release row stands for: the chunks to remove now,
	// and the parts they belong to: Result.Work.
	AskRelease struct{ Release []byte }
	// AskReferenced asks which of these chunks of one key no committed row of the
	// key names: Result.Unreferenced. Stamp is the greatest of their stamps;
	// RefusedTime until a committed entry has time > Stamp + StampAge.
	AskReferenced struct {
		Chunks []chain.ChunkID
		Stamp  int64
	}
)

func (AskTime) isAsk()       {}
func (AskBucket) isAsk()     {}
func (AskObject) isAsk()     {}
func (AskParts) isAsk()      {}
func (AskUpload) isAsk()     {}
func (AskList) isAsk()       {}
func (AskUploads) isAsk()    {}
func (AskRecord) isAsk()     {}
func (AskRecords) isAsk()    {}
func (AskReleases) isAsk()   {}
func (AskRelease) isAsk()    {}
func (AskReferenced) isAsk() {}

// Bounds of queries.
const (
	// DefaultSteps is how many rows a scan steps over before its page ends early.
	DefaultSteps = 20_000
	// MaxPage is the most items of a page.
	MaxPage = 1000
	// MaxAskParts is the most parts that AskParts answers.
	MaxAskParts = 64
)

// Result is the answer to a query.
type Result struct {
	Status Status
	Speaker
	Bucket       *BucketRow // of RefusedBucket and AskBucket
	Object       *ObjectResult
	Upload       *Upload
	Parts        []PartResult
	More         bool // AskUpload: there are more parts
	List         *ListResult
	Uploads      *UploadsResult
	Record       *Record
	Records      *RecordsResult
	Releases     *ReleasesResult
	Work         *ReleaseWork
	Unreferenced []chain.ChunkID
	Detail       string
}

// ObjectResult is a current row with what came with it.
type ObjectResult struct {
	Object Object
	// Bytes is the inline body, if asked for.
	Bytes []byte
	// Parts has all parts of a multipart object, from the row or the manifest.
	Parts []PartSize
	// Extents has the object's extents in order, if asked for and if they are in
	// the row or in one manifest.
	Extents []Extent
	// Resolved has the part rows of an upload layout, if asked for and if there
	// are at most MaxRowParts.
	Resolved []PartResult
}

// PartResult is a part, with its bytes or extents if they were asked for.
type PartResult struct {
	Part    Part
	Bytes   []byte
	Extents []Extent
}

// ListItem is an object, or a common prefix (then Object is nil).
type ListItem struct {
	Key    string
	Object *Object
}

// ListResult is a page of a scan. If More, the page ended inside the tablet and
// goes on after Next (a key or a common prefix, exclusive); otherwise it
// reached the end of the tablet or of the prefix: Done says that no later
// tablet can have more.
type ListResult struct {
	Items []ListItem
	More  bool
	Next  string
	Done  bool
}

// UploadItem is an upload, or a common prefix (then Upload is nil).
type UploadItem struct {
	Key    string
	ID     chain.ID128
	Upload *Upload
}

// UploadsResult is a page of uploads; as ListResult.
type UploadsResult struct {
	Items   []UploadItem
	More    bool
	NextKey string
	NextID  chain.ID128
	Done    bool
}

// NamedRecord is a bucket record with the bucket's name.
type NamedRecord struct {
	Name   string
	Record Record
}

// RecordsResult is a page of bucket records.
type RecordsResult struct {
	Records []NamedRecord
	More    bool
	Next    string
}

// ReleaseItem is a release row.
type ReleaseItem struct {
	Row     []byte
	Bucket  chain.BucketID
	Key     string
	Release Release
}

// ReleasesResult is a page of release rows. Earliest is the time of the oldest
// release row that was stepped over because it is too new; 0 for none.
type ReleasesResult struct {
	Items    []ReleaseItem
	More     bool
	Next     []byte
	Earliest int64
}

// ReleaseWork is what a worker removes before it sends ReleaseDone with Parts
// and Last. Without Last, it asks again after that.
type ReleaseWork struct {
	Extents []Extent
	Parts   []uint32
	Last    bool
}
