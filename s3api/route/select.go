package route

import "catena/s3api/s3err"

// subresource is a query parameter that selects the operation. An operation that is None
// does not exist: the method is not allowed.
type subresource struct {
	name   string
	bucket methods // for /BUCKET; nil: not a sub-resource of buckets
	object methods // for /BUCKET/KEY; nil: not a sub-resource of objects
}

type methods map[string]Operation

func get(op Operation) methods { return methods{"GET": op} }

func config(get, put, del Operation) methods {
	m := methods{"GET": get, "PUT": put}
	if del != None {
		m["DELETE"] = del
	}
	return m
}

// subresources is never written to.
var subresources = []subresource{
	{"abac", config(GetBucketAbac, PutBucketAbac, None), nil},
	{"accelerate", config(GetBucketAccelerateConfiguration, PutBucketAccelerateConfiguration, None), nil},
	{"acl", config(GetBucketAcl, PutBucketAcl, None), config(GetObjectAcl, PutObjectAcl, None)},
	{"analytics", config(GetBucketAnalyticsConfiguration, PutBucketAnalyticsConfiguration, DeleteBucketAnalyticsConfiguration), nil},
	{"attributes", nil, get(GetObjectAttributes)},
	{"cors", config(GetBucketCors, PutBucketCors, DeleteBucketCors), nil},
	{"delete", methods{"POST": DeleteObjects}, nil},
	{"encryption", config(GetBucketEncryption, PutBucketEncryption, DeleteBucketEncryption), methods{"PUT": UpdateObjectEncryption}},
	{"intelligent-tiering", config(GetBucketIntelligentTieringConfiguration, PutBucketIntelligentTieringConfiguration, DeleteBucketIntelligentTieringConfiguration), nil},
	{"inventory", config(GetBucketInventoryConfiguration, PutBucketInventoryConfiguration, DeleteBucketInventoryConfiguration), nil},
	{"legal-hold", nil, config(GetObjectLegalHold, PutObjectLegalHold, None)},
	{"lifecycle", config(GetBucketLifecycleConfiguration, PutBucketLifecycleConfiguration, DeleteBucketLifecycle), nil},
	{"location", get(GetBucketLocation), nil},
	{"logging", config(GetBucketLogging, PutBucketLogging, None), nil},
	{"metadataConfiguration", methods{"GET": GetBucketMetadataConfiguration, "POST": CreateBucketMetadataConfiguration, "DELETE": DeleteBucketMetadataConfiguration}, nil},
	{"metadataInventoryTable", methods{"PUT": UpdateBucketMetadataInventoryTableConfiguration}, nil},
	{"metadataJournalTable", methods{"PUT": UpdateBucketMetadataJournalTableConfiguration}, nil},
	{"metadataTable", methods{"GET": GetBucketMetadataTableConfiguration, "POST": CreateBucketMetadataTableConfiguration, "DELETE": DeleteBucketMetadataTableConfiguration}, nil},
	{"metrics", config(GetBucketMetricsConfiguration, PutBucketMetricsConfiguration, DeleteBucketMetricsConfiguration), nil},
	{"notification", config(GetBucketNotificationConfiguration, PutBucketNotificationConfiguration, None), nil},
	{"object-lock", config(GetObjectLockConfiguration, PutObjectLockConfiguration, None), nil},
	{"ownershipControls", config(GetBucketOwnershipControls, PutBucketOwnershipControls, DeleteBucketOwnershipControls), nil},
	{"policy", config(GetBucketPolicy, PutBucketPolicy, DeleteBucketPolicy), nil},
	{"policyStatus", get(GetBucketPolicyStatus), nil},
	{"publicAccessBlock", config(GetPublicAccessBlock, PutPublicAccessBlock, DeletePublicAccessBlock), nil},
	{"renameObject", nil, methods{"PUT": RenameObject}},
	{"replication", config(GetBucketReplication, PutBucketReplication, DeleteBucketReplication), nil},
	{"requestPayment", config(GetBucketRequestPayment, PutBucketRequestPayment, None), nil},
	{"restore", nil, methods{"POST": RestoreObject}},
	{"retention", nil, config(GetObjectRetention, PutObjectRetention, None)},
	{"select", nil, methods{"POST": SelectObjectContent}},
	{"session", get(CreateSession), nil},
	{"tagging", config(GetBucketTagging, PutBucketTagging, DeleteBucketTagging), config(GetObjectTagging, PutObjectTagging, DeleteObjectTagging)},
	{"torrent", nil, get(GetObjectTorrent)},
	{"uploadId", nil, methods{"GET": ListParts, "PUT": UploadPart, "POST": CompleteMultipartUpload, "DELETE": AbortMultipartUpload}},
	{"uploads", get(ListMultipartUploads), methods{"POST": CreateMultipartUpload}},
	{"versioning", config(GetBucketVersioning, PutBucketVersioning, None), nil},
	{"versions", get(ListObjectVersions), nil},
	{"website", config(GetBucketWebsite, PutBucketWebsite, DeleteBucketWebsite), nil},
}

func findSubresource(name string) *subresource {
	for i := range subresources {
		if subresources[i].name == name {
			return &subresources[i]
		}
	}
	return nil
}

func isSubresource(name string) bool { return findSubresource(name) != nil }

// selectOperation finds the operation; every path of it sets r.Op or fails.
func (r *Request) selectOperation(in Input) error {
	if r.Method == "OPTIONS" {
		r.Op = OptionsPreflight
		return nil
	}
	sub, err := r.theSubresource()
	if err != nil {
		return err
	}
	switch {
	case sub != nil:
		err = r.selectBySubresource(sub, in)
	case r.Bucket == "":
		if r.Method == "GET" {
			r.Op = ListBuckets
		}
	case r.Key == "":
		err = r.selectOnBucket(in)
	default:
		err = r.selectOnObject(in)
	}
	if err == nil && r.Op == None {
		err = s3err.New(s3err.MethodNotAllowed).With("Method", r.Method).With("ResourceType", r.resourceType())
	}
	return err
}

func (r *Request) resourceType() string {
	switch {
	case r.Bucket == "":
		return "SERVICE"
	case r.Key == "":
		return "BUCKET"
	}
	return "OBJECT"
}

// theSubresource finds the one sub-resource of the query. Two different ones conflict.
func (r *Request) theSubresource() (*subresource, error) {
	var found *subresource
	for i := range r.Query {
		s := findSubresource(r.Query[i].Name)
		if s == nil || s == found {
			continue
		}
		if found != nil {
			return nil, s3err.InvalidArg("ResourceType", s.name,
				"Conflicting query string parameters: "+found.name+", "+s.name)
		}
		found = s
	}
	return found, nil
}

func (r *Request) selectBySubresource(sub *subresource, in Input) error {
	table, other := sub.object, sub.bucket
	if r.Key == "" {
		table, other = other, table
	}
	// A request that would be right on a bucket instead of an object, or the other way
	// round, is told so; it must never fall back to the plain operation.
	if table == nil || r.Bucket == "" || (table[r.Method] == None && other[r.Method] != None) {
		return s3err.Newf(s3err.InvalidRequest, "The query parameter "+sub.name+" has no meaning for this resource.")
	}
	r.Op = table[r.Method]
	switch r.Op {
	case UploadPart:
		switch {
		case !r.Query.Has("partNumber"):
			r.Op = None
		case in.CopySource:
			r.Op = UploadPartCopy
		}
	case GetBucketAnalyticsConfiguration, GetBucketInventoryConfiguration,
		GetBucketMetricsConfiguration, GetBucketIntelligentTieringConfiguration:
		if !r.Query.Has("id") {
			r.Op = r.Op.listForm()
		}
	}
	return nil
}

// listForm is the operation that lists all configurations of a kind.
func (op Operation) listForm() Operation {
	switch op {
	case GetBucketAnalyticsConfiguration:
		return ListBucketAnalyticsConfigurations
	case GetBucketInventoryConfiguration:
		return ListBucketInventoryConfigurations
	case GetBucketMetricsConfiguration:
		return ListBucketMetricsConfigurations
	case GetBucketIntelligentTieringConfiguration:
		return ListBucketIntelligentTieringConfigurations
	}
	return op
}

func (r *Request) selectOnBucket(in Input) error {
	switch r.Method {
	case "GET":
		return r.selectListing()
	case "HEAD":
		r.Op = HeadBucket
	case "PUT":
		r.Op = CreateBucket
	case "DELETE":
		r.Op = DeleteBucket
	case "POST":
		if in.Form {
			r.Op = PostObject
		}
	}
	return nil
}

func (r *Request) selectListing() error {
	text, ok := r.Query.Lookup("list-type")
	switch {
	case !ok:
		r.Op = ListObjects
	case text == "2":
		r.Op = ListObjectsV2
	default:
		return s3err.InvalidArg("list-type", printable(text), "Invalid List Type specified in Request")
	}
	return nil
}

func (r *Request) selectOnObject(in Input) error {
	switch r.Method {
	case "GET":
		r.Op = GetObject
	case "HEAD":
		r.Op = HeadObject
	case "DELETE":
		r.Op = DeleteObject
	case "PUT":
		if r.Query.Has("partNumber") {
			return s3err.InvalidArg("uploadId", "", "This operation does not accept a partNumber without an uploadId.")
		}
		if r.Op = PutObject; in.CopySource {
			r.Op = CopyObject
		}
	}
	return nil
}
