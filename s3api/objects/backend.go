package objects

import (
	"context"
	"io"
)

// Backend stores objects. All methods are safe for concurrent use, return an
// *Error for every expected failure, and are linearizable per key: what one
// call acknowledged, every later call sees.
type Backend interface {
	// CreateBucket makes a bucket. KindBucketExists, with the existing one, if the name is taken.
	CreateBucket(ctx context.Context, b Bucket) (Bucket, error)
	Bucket(ctx context.Context, name string) (Bucket, error)
	// DeleteBucket removes an empty bucket; KindBucketNotEmpty if it holds an object or an upload.
	DeleteBucket(ctx context.Context, name string) error
	ListBuckets(ctx context.Context, r ListBuckets) (BucketPage, error)

	// Put stores the body as one object. Nothing is visible before
	// body.Finish returned nil and the object is durable.
	Put(ctx context.Context, r Put, body Body) (Info, error)
	// Head returns what is known of an object, without its bytes.
	Head(ctx context.Context, bucket, key string) (Info, error)
	// Get returns an object and a way to its bytes. Close it.
	Get(ctx context.Context, bucket, key string) (Object, error)
	// Delete removes an object; deleting nothing succeeds with existed false.
	Delete(ctx context.Context, r Delete) (existed bool, err error)
	// DeleteMany removes keys; the result has one entry for each, in order.
	// Transient trouble fails the whole call, never a part of it.
	DeleteMany(ctx context.Context, bucket string, keys []Delete) ([]error, error)
	// Copy makes an object from another, by clones where it can. The copy has the
	// ETag, the parts and the checksum of its source, because it is the same
	// bytes; if another algorithm is asked for, the bytes are read to compute a
	// FULL_OBJECT checksum of it, and the parts lose theirs. KindNoSuchBucket and
	// KindNoSuchKey of the source name the source in the error.
	Copy(ctx context.Context, r Copy) (Info, error)
	List(ctx context.Context, r List) (Page, error)

	CreateUpload(ctx context.Context, r CreateUpload) (Upload, error)
	// Upload returns an upload that is neither completed nor aborted;
	// KindNoSuchUpload otherwise, also for one of another bucket or key and
	// for an id that was never made.
	Upload(ctx context.Context, bucket, key, uploadID string) (Upload, error)
	PutPart(ctx context.Context, r PutPart, body Body) (Part, error)
	CopyPart(ctx context.Context, r CopyPart) (Part, error)
	// Complete makes the object. Completing an upload again, while the object
	// that it made is still the current one, returns that object and changes
	// nothing (a client whose answer was lost repeats it); otherwise
	// KindNoSuchUpload.
	Complete(ctx context.Context, r Complete) (Info, error)
	Abort(ctx context.Context, bucket, key, uploadID string) error
	ListParts(ctx context.Context, r ListParts) (PartPage, error)
	ListUploads(ctx context.Context, r ListUploads) (UploadPage, error)
}

// Body is a verifying reader: its bytes may be stored, but must not become
// visible, before Finish returned nil.
type Body interface {
	io.Reader
	// Size is the number of bytes that will come, or -1 if it is not known yet.
	Size() int64
	// Finish is called once, after Read returned io.EOF. It checks length,
	// digests, signature and trailer.
	Finish() (Digests, error)
}

// Digests are those of a whole body.
type Digests struct {
	Size int64
	MD5  [16]byte
	// Checksum is the one to store: what the client sent or asked for; the
	// default algorithm (CRC64NVME) if it named none. For a part it always has
	// the upload's algorithm (see Upload.Algorithm), so that those of the parts
	// make the object's.
	Checksum Checksum
}

// Object is an object that is being read.
type Object interface {
	Info() Info
	// Range returns the bytes [off, off+n). Every byte is verified before Read
	// returns it. The caller closes the reader.
	Range(ctx context.Context, off, n int64) (io.ReadCloser, error)
	Close() error
}
