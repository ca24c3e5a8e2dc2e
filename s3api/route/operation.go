package route

// Operation is an operation of the S3 API, by Amazon's name. The zero value is none.
type Operation uint8

// Support says what this store does with an operation.
type Support uint8

// The kinds of support.
const (
	// NotBuilt operations are answered 501 NotImplemented, after the signature
	// was checked.
	NotBuilt Support = iota
	// NotSet operations read a configuration that cannot be set here, and are
	// answered with the true answer "not set" once the bucket (and key) exists.
	NotSet
	// Built operations do what Amazon's do.
	Built
)

// The operations.
const (
	None Operation = iota
	ListBuckets
	CreateBucket
	HeadBucket
	DeleteBucket
	GetBucketLocation
	PutObject
	GetObject
	HeadObject
	DeleteObject
	DeleteObjects
	CopyObject
	ListObjects
	ListObjectsV2
	CreateMultipartUpload
	UploadPart
	UploadPartCopy
	CompleteMultipartUpload
	AbortMultipartUpload
	ListParts
	ListMultipartUploads
	GetObjectAttributes

	// Answered with "not set", see NotSet.
	GetBucketVersioning
	GetBucketAcl
	GetObjectAcl
	GetBucketTagging
	GetObjectTagging
	GetBucketLifecycleConfiguration
	GetBucketCors
	GetBucketPolicy
	GetBucketPolicyStatus
	GetBucketEncryption
	GetBucketReplication
	GetBucketWebsite
	GetBucketLogging
	GetBucketNotificationConfiguration
	GetBucketAccelerateConfiguration
	GetBucketRequestPayment
	GetBucketOwnershipControls
	GetPublicAccessBlock
	GetObjectLockConfiguration
	GetObjectLegalHold
	GetObjectRetention
	ListObjectVersions

	// Not built, see NotBuilt.
	PutBucketVersioning
	PutBucketAcl
	PutObjectAcl
	PutBucketTagging
	DeleteBucketTagging
	PutObjectTagging
	DeleteObjectTagging
	PutBucketLifecycleConfiguration
	DeleteBucketLifecycle
	PutBucketCors
	DeleteBucketCors
	PutBucketPolicy
	DeleteBucketPolicy
	PutBucketEncryption
	DeleteBucketEncryption
	PutBucketReplication
	DeleteBucketReplication
	PutBucketWebsite
	DeleteBucketWebsite
	PutBucketLogging
	PutBucketNotificationConfiguration
	PutBucketAccelerateConfiguration
	PutBucketRequestPayment
	PutBucketOwnershipControls
	DeleteBucketOwnershipControls
	PutPublicAccessBlock
	DeletePublicAccessBlock
	PutObjectLockConfiguration
	PutObjectLegalHold
	PutObjectRetention
	GetBucketAnalyticsConfiguration
	PutBucketAnalyticsConfiguration
	DeleteBucketAnalyticsConfiguration
	GetBucketInventoryConfiguration
	PutBucketInventoryConfiguration
	DeleteBucketInventoryConfiguration
	GetBucketMetricsConfiguration
	PutBucketMetricsConfiguration
	DeleteBucketMetricsConfiguration
	GetBucketIntelligentTieringConfiguration
	PutBucketIntelligentTieringConfiguration
	DeleteBucketIntelligentTieringConfiguration
	ListBucketAnalyticsConfigurations
	ListBucketInventoryConfigurations
	ListBucketMetricsConfigurations
	ListBucketIntelligentTieringConfigurations
	GetBucketMetadataConfiguration
	CreateBucketMetadataConfiguration
	DeleteBucketMetadataConfiguration
	GetBucketMetadataTableConfiguration
	CreateBucketMetadataTableConfiguration
	DeleteBucketMetadataTableConfiguration
	UpdateBucketMetadataInventoryTableConfiguration
	UpdateBucketMetadataJournalTableConfiguration
	GetBucketAbac
	PutBucketAbac
	CreateSession
	GetObjectTorrent
	RestoreObject
	SelectObjectContent
	RenameObject
	UpdateObjectEncryption
	PostObject
	OptionsPreflight

	endOfOperations
)

// Operations lists all operations.
func Operations() []Operation {
	all := make([]Operation, 0, endOfOperations)
	for op := None + 1; op < endOfOperations; op++ {
		all = append(all, op)
	}
	return all
}

// Support says what this store does with the operation.
func (op Operation) Support() Support {
	switch {
	case op >= ListBuckets && op <= GetObjectAttributes:
		return Built
	case op >= GetBucketVersioning && op <= ListObjectVersions:
		return NotSet
	}
	return NotBuilt
}

// String gives Amazon's name, "None" for the zero value.
func (op Operation) String() string {
	if op >= endOfOperations {
		return "Operation(?)"
	}
	return operationNames[op]
}

// operationNames is never written to.
var operationNames = [endOfOperations]string{
	None:                                            "None",
	ListBuckets:                                     "ListBuckets",
	CreateBucket:                                    "CreateBucket",
	HeadBucket:                                      "HeadBucket",
	DeleteBucket:                                    "DeleteBucket",
	GetBucketLocation:                               "GetBucketLocation",
	PutObject:                                       "PutObject",
	GetObject:                                       "GetObject",
	HeadObject:                                      "HeadObject",
	DeleteObject:                                    "DeleteObject",
	DeleteObjects:                                   "DeleteObjects",
	CopyObject:                                      "CopyObject",
	ListObjects:                                     "ListObjects",
	ListObjectsV2:                                   "ListObjectsV2",
	CreateMultipartUpload:                           "CreateMultipartUpload",
	UploadPart:                                      "UploadPart",
	UploadPartCopy:                                  "UploadPartCopy",
	CompleteMultipartUpload:                         "CompleteMultipartUpload",
	AbortMultipartUpload:                            "AbortMultipartUpload",
	ListParts:                                       "ListParts",
	ListMultipartUploads:                            "ListMultipartUploads",
	GetObjectAttributes:                             "GetObjectAttributes",
	GetBucketVersioning:                             "GetBucketVersioning",
	GetBucketAcl:                                    "GetBucketAcl",
	GetObjectAcl:                                    "GetObjectAcl",
	GetBucketTagging:                                "GetBucketTagging",
	GetObjectTagging:                                "GetObjectTagging",
	GetBucketLifecycleConfiguration:                 "GetBucketLifecycleConfiguration",
	GetBucketCors:                                   "GetBucketCors",
	GetBucketPolicy:                                 "GetBucketPolicy",
	GetBucketPolicyStatus:                           "GetBucketPolicyStatus",
	GetBucketEncryption:                             "GetBucketEncryption",
	GetBucketReplication:                            "GetBucketReplication",
	GetBucketWebsite:                                "GetBucketWebsite",
	GetBucketLogging:                                "GetBucketLogging",
	GetBucketNotificationConfiguration:              "GetBucketNotificationConfiguration",
	GetBucketAccelerateConfiguration:                "GetBucketAccelerateConfiguration",
	GetBucketRequestPayment:                         "GetBucketRequestPayment",
	GetBucketOwnershipControls:                      "GetBucketOwnershipControls",
	GetPublicAccessBlock:                            "GetPublicAccessBlock",
	GetObjectLockConfiguration:                      "GetObjectLockConfiguration",
	GetObjectLegalHold:                              "GetObjectLegalHold",
	GetObjectRetention:                              "GetObjectRetention",
	ListObjectVersions:                              "ListObjectVersions",
	PutBucketVersioning:                             "PutBucketVersioning",
	PutBucketAcl:                                    "PutBucketAcl",
	PutObjectAcl:                                    "PutObjectAcl",
	PutBucketTagging:                                "PutBucketTagging",
	DeleteBucketTagging:                             "DeleteBucketTagging",
	PutObjectTagging:                                "PutObjectTagging",
	DeleteObjectTagging:                             "DeleteObjectTagging",
	PutBucketLifecycleConfiguration:                 "PutBucketLifecycleConfiguration",
	DeleteBucketLifecycle:                           "DeleteBucketLifecycle",
	PutBucketCors:                                   "PutBucketCors",
	DeleteBucketCors:                                "DeleteBucketCors",
	PutBucketPolicy:                                 "PutBucketPolicy",
	DeleteBucketPolicy:                              "DeleteBucketPolicy",
	PutBucketEncryption:                             "PutBucketEncryption",
	DeleteBucketEncryption:                          "DeleteBucketEncryption",
	PutBucketReplication:                            "PutBucketReplication",
	DeleteBucketReplication:                         "DeleteBucketReplication",
	PutBucketWebsite:                                "PutBucketWebsite",
	DeleteBucketWebsite:                             "DeleteBucketWebsite",
	PutBucketLogging:                                "PutBucketLogging",
	PutBucketNotificationConfiguration:              "PutBucketNotificationConfiguration",
	PutBucketAccelerateConfiguration:                "PutBucketAccelerateConfiguration",
	PutBucketRequestPayment:                         "PutBucketRequestPayment",
	PutBucketOwnershipControls:                      "PutBucketOwnershipControls",
	DeleteBucketOwnershipControls:                   "DeleteBucketOwnershipControls",
	PutPublicAccessBlock:                            "PutPublicAccessBlock",
	DeletePublicAccessBlock:                         "DeletePublicAccessBlock",
	PutObjectLockConfiguration:                      "PutObjectLockConfiguration",
	PutObjectLegalHold:                              "PutObjectLegalHold",
	PutObjectRetention:                              "PutObjectRetention",
	GetBucketAnalyticsConfiguration:                 "GetBucketAnalyticsConfiguration",
	PutBucketAnalyticsConfiguration:                 "PutBucketAnalyticsConfiguration",
	DeleteBucketAnalyticsConfiguration:              "DeleteBucketAnalyticsConfiguration",
	GetBucketInventoryConfiguration:                 "GetBucketInventoryConfiguration",
	PutBucketInventoryConfiguration:                 "PutBucketInventoryConfiguration",
	DeleteBucketInventoryConfiguration:              "DeleteBucketInventoryConfiguration",
	GetBucketMetricsConfiguration:                   "GetBucketMetricsConfiguration",
	PutBucketMetricsConfiguration:                   "PutBucketMetricsConfiguration",
	DeleteBucketMetricsConfiguration:                "DeleteBucketMetricsConfiguration",
	GetBucketIntelligentTieringConfiguration:        "GetBucketIntelligentTieringConfiguration",
	PutBucketIntelligentTieringConfiguration:        "PutBucketIntelligentTieringConfiguration",
	DeleteBucketIntelligentTieringConfiguration:     "DeleteBucketIntelligentTieringConfiguration",
	ListBucketAnalyticsConfigurations:               "ListBucketAnalyticsConfigurations",
	ListBucketInventoryConfigurations:               "ListBucketInventoryConfigurations",
	ListBucketMetricsConfigurations:                 "ListBucketMetricsConfigurations",
	ListBucketIntelligentTieringConfigurations:      "ListBucketIntelligentTieringConfigurations",
	GetBucketMetadataConfiguration:                  "GetBucketMetadataConfiguration",
	CreateBucketMetadataConfiguration:               "CreateBucketMetadataConfiguration",
	DeleteBucketMetadataConfiguration:               "DeleteBucketMetadataConfiguration",
	GetBucketMetadataTableConfiguration:             "GetBucketMetadataTableConfiguration",
	CreateBucketMetadataTableConfiguration:          "CreateBucketMetadataTableConfiguration",
	DeleteBucketMetadataTableConfiguration:          "DeleteBucketMetadataTableConfiguration",
	UpdateBucketMetadataInventoryTableConfiguration: "UpdateBucketMetadataInventoryTableConfiguration",
	UpdateBucketMetadataJournalTableConfiguration:   "UpdateBucketMetadataJournalTableConfiguration",
	GetBucketAbac:                                   "GetBucketAbac",
	PutBucketAbac:                                   "PutBucketAbac",
	CreateSession:                                   "CreateSession",
	GetObjectTorrent:                                "GetObjectTorrent",
	RestoreObject:                                   "RestoreObject",
	SelectObjectContent:                             "SelectObjectContent",
	RenameObject:                                    "RenameObject",
	UpdateObjectEncryption:                          "UpdateObjectEncryption",
	PostObject:                                      "PostObject",
	OptionsPreflight:                                "OptionsPreflight",
}
