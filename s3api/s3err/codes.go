package s3err

// The codes of the S3 API that this store can answer with. Names are Amazon's,
// from "Error responses" in the S3 API reference; the last word on a status is
// the bad-input catalogue, whose rows name the code and status we promise.
const (
	AccessControlListNotSupported                  Code = "AccessControlListNotSupported"
	AccessDenied                                   Code = "AccessDenied"
	AccountProblem                                 Code = "AccountProblem"
	AuthorizationHeaderMalformed                   Code = "AuthorizationHeaderMalformed"
	AuthorizationQueryParametersError              Code = "AuthorizationQueryParametersError"
	BadDigest                                      Code = "BadDigest"
	BadRequest                                     Code = "BadRequest"
	BucketAlreadyExists                            Code = "BucketAlreadyExists"
	BucketAlreadyOwnedByYou                        Code = "BucketAlreadyOwnedByYou"
	BucketNotEmpty                                 Code = "BucketNotEmpty"
	ConditionalRequestConflict                     Code = "ConditionalRequestConflict"
	CredentialsNotSupported                        Code = "CredentialsNotSupported"
	EntityTooLarge                                 Code = "EntityTooLarge"
	EntityTooSmall                                 Code = "EntityTooSmall"
	ExpectationFailed                              Code = "ExpectationFailed"
	ExpiredToken                                   Code = "ExpiredToken"
	HTTPVersionNotSupported                        Code = "HTTPVersionNotSupported"
	IllegalLocationConstraintException             Code = "IllegalLocationConstraintException"
	IllegalVersioningConfigurationException        Code = "IllegalVersioningConfigurationException"
	IncompleteBody                                 Code = "IncompleteBody"
	InsufficientStorage                            Code = "InsufficientStorage"
	InternalError                                  Code = "InternalError"
	InvalidAccessKeyId                             Code = "InvalidAccessKeyId"
	InvalidArgument                                Code = "InvalidArgument"
	InvalidBucketName                              Code = "InvalidBucketName"
	InvalidBucketState                             Code = "InvalidBucketState"
	InvalidChunkSizeError                          Code = "InvalidChunkSizeError"
	InvalidDigest                                  Code = "InvalidDigest"
	InvalidEncryptionAlgorithmError                Code = "InvalidEncryptionAlgorithmError"
	InvalidLocationConstraint                      Code = "InvalidLocationConstraint"
	InvalidObjectState                             Code = "InvalidObjectState"
	InvalidPart                                    Code = "InvalidPart"
	InvalidPartNumber                              Code = "InvalidPartNumber"
	InvalidPartOrder                               Code = "InvalidPartOrder"
	InvalidPolicyDocument                          Code = "InvalidPolicyDocument"
	InvalidRange                                   Code = "InvalidRange"
	InvalidRequest                                 Code = "InvalidRequest"
	InvalidSecurity                                Code = "InvalidSecurity"
	InvalidStorageClass                            Code = "InvalidStorageClass"
	InvalidTag                                     Code = "InvalidTag"
	InvalidToken                                   Code = "InvalidToken"
	InvalidURI                                     Code = "InvalidURI"
	KeyTooLongError                                Code = "KeyTooLongError"
	MalformedACLError                              Code = "MalformedACLError"
	MalformedPolicy                                Code = "MalformedPolicy"
	MalformedPOSTRequest                           Code = "MalformedPOSTRequest"
	MalformedTrailerError                          Code = "MalformedTrailerError"
	MalformedXML                                   Code = "MalformedXML"
	MaxMessageLengthExceeded                       Code = "MaxMessageLengthExceeded"
	MetadataTooLarge                               Code = "MetadataTooLarge"
	MethodNotAllowed                               Code = "MethodNotAllowed"
	MissingContentLength                           Code = "MissingContentLength"
	MissingRequestBodyError                        Code = "MissingRequestBodyError"
	MissingSecurityHeader                          Code = "MissingSecurityHeader"
	NoSuchBucket                                   Code = "NoSuchBucket"
	NoSuchBucketPolicy                             Code = "NoSuchBucketPolicy"
	NoSuchConfiguration                            Code = "NoSuchConfiguration"
	NoSuchCORSConfiguration                        Code = "NoSuchCORSConfiguration"
	NoSuchKey                                      Code = "NoSuchKey"
	NoSuchLifecycleConfiguration                   Code = "NoSuchLifecycleConfiguration"
	NoSuchObjectLockConfiguration                  Code = "NoSuchObjectLockConfiguration"
	NoSuchPublicAccessBlockConfiguration           Code = "NoSuchPublicAccessBlockConfiguration"
	NoSuchTagSet                                   Code = "NoSuchTagSet"
	NoSuchUpload                                   Code = "NoSuchUpload"
	NoSuchVersion                                  Code = "NoSuchVersion"
	NoSuchWebsiteConfiguration                     Code = "NoSuchWebsiteConfiguration"
	NotImplemented                                 Code = "NotImplemented"
	NotModified                                    Code = "NotModified"
	ObjectLockConfigurationNotFoundError           Code = "ObjectLockConfigurationNotFoundError"
	OperationAborted                               Code = "OperationAborted"
	OwnershipControlsNotFoundError                 Code = "OwnershipControlsNotFoundError"
	PreconditionFailed                             Code = "PreconditionFailed"
	ReplicationConfigurationNotFoundError          Code = "ReplicationConfigurationNotFoundError"
	RequestHeaderSectionTooLarge                   Code = "RequestHeaderSectionTooLarge"
	RequestTimeout                                 Code = "RequestTimeout"
	RequestTimeTooSkewed                           Code = "RequestTimeTooSkewed"
	ServerSideEncryptionConfigurationNotFoundError Code = "ServerSideEncryptionConfigurationNotFoundError"
	ServiceUnavailable                             Code = "ServiceUnavailable"
	SignatureDoesNotMatch                          Code = "SignatureDoesNotMatch"
	SlowDown                                       Code = "SlowDown"
	TooManyBuckets                                 Code = "TooManyBuckets"
	UnexpectedContent                              Code = "UnexpectedContent"
	URITooLong                                     Code = "URITooLong"
	XAmzContentSHA256Mismatch                      Code = "XAmzContentSHA256Mismatch"
)

type description struct {
	status  int
	message string
}

// describe is the table of status and message. It is a switch and not a map, so
// that the package has no mutable state.
func describe(c Code) (description, bool) {
	switch c {
	case AccessControlListNotSupported:
		return description{400, "The bucket does not allow ACLs"}, true
	case AccessDenied:
		return description{403, "Access Denied"}, true
	case AccountProblem:
		return description{403, "There is a problem with your account that prevents the operation from completing successfully."}, true
	case AuthorizationHeaderMalformed:
		return description{400, "The authorization header that you provided is not valid."}, true
	case AuthorizationQueryParametersError:
		return description{400, "Error parsing the query authorization parameters."}, true
	case BadDigest:
		return description{400, "The Content-MD5 or checksum value that you specified did not match what the server received."}, true
	case BadRequest:
		return description{400, "Bad Request"}, true
	case BucketAlreadyExists:
		return description{409, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."}, true
	case BucketAlreadyOwnedByYou:
		return description{409, "Your previous request to create the named bucket succeeded and you already own it."}, true
	case BucketNotEmpty:
		return description{409, "The bucket you tried to delete is not empty."}, true
	case ConditionalRequestConflict:
		return description{409, "The conditional request cannot succeed due to a conflicting operation against this resource."}, true
	case CredentialsNotSupported:
		return description{400, "This request does not support credentials."}, true
	case EntityTooLarge:
		return description{400, "Your proposed upload exceeds the maximum allowed size"}, true
	case EntityTooSmall:
		return description{400, "Your proposed upload is smaller than the minimum allowed size"}, true
	case ExpectationFailed:
		return description{417, "The server cannot meet the expectation given in the Expect request header."}, true
	case ExpiredToken:
		return description{400, "The provided token has expired."}, true
	case HTTPVersionNotSupported:
		return description{505, "The HTTP version of the request is not supported."}, true
	case IllegalLocationConstraintException:
		return description{400, "The specified location constraint is not valid for this endpoint."}, true
	case IllegalVersioningConfigurationException:
		return description{400, "The versioning configuration specified in the request is not valid."}, true
	case IncompleteBody:
		return description{400, "You did not provide the number of bytes specified by the Content-Length HTTP header"}, true
	case InsufficientStorage:
		return description{507, "There is not enough free space to store the object."}, true
	case InternalError:
		return description{500, "We encountered an internal error. Please try again."}, true
	case InvalidAccessKeyId:
		return description{403, "The AWS Access Key Id you provided does not exist in our records."}, true
	case InvalidArgument:
		return description{400, "Invalid Argument"}, true
	case InvalidBucketName:
		return description{400, "The specified bucket is not valid."}, true
	case InvalidBucketState:
		return description{409, "The request is not valid with the current state of the bucket."}, true
	case InvalidChunkSizeError:
		return description{400, "Only the last chunk is allowed to have a size less than 8192 bytes"}, true
	case InvalidDigest:
		return description{400, "The Content-MD5 you specified was invalid."}, true
	case InvalidEncryptionAlgorithmError:
		return description{400, "The encryption request that you specified is not valid. The valid value is AES256."}, true
	case InvalidLocationConstraint:
		return description{400, "The specified location-constraint is not valid"}, true
	case InvalidObjectState:
		return description{403, "The operation is not valid for the current state of the object."}, true
	case InvalidPart:
		return description{400, "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."}, true
	case InvalidPartNumber:
		return description{416, "The requested partnumber is not satisfiable"}, true
	case InvalidPartOrder:
		return description{400, "The list of parts was not in ascending order. Parts must be ordered by part number."}, true
	case InvalidPolicyDocument:
		return description{400, "The content of the form does not meet the conditions specified in the policy document."}, true
	case InvalidRange:
		return description{416, "The requested range is not satisfiable"}, true
	case InvalidRequest:
		return description{400, "Invalid Request"}, true
	case InvalidSecurity:
		return description{403, "The provided security credentials are not valid."}, true
	case InvalidStorageClass:
		return description{400, "The storage class you specified is not valid"}, true
	case InvalidTag:
		return description{400, "The tag provided was not a valid tag."}, true
	case InvalidToken:
		return description{400, "The provided token is malformed or otherwise invalid."}, true
	case InvalidURI:
		return description{400, "Couldn't parse the specified URI."}, true
	case KeyTooLongError:
		return description{400, "Your key is too long"}, true
	case MalformedACLError:
		return description{400, "The XML you provided was not well-formed or did not validate against our published schema"}, true
	case MalformedPolicy:
		return description{400, "Policies must be valid JSON and the first byte must be '{'"}, true
	case MalformedPOSTRequest:
		return description{400, "The body of your POST request is not well-formed multipart/form-data."}, true
	case MalformedTrailerError:
		return description{400, "The request contained trailing data that was not well-formed or did not conform to our published schema."}, true
	case MalformedXML:
		return description{400, "The XML you provided was not well-formed or did not validate against our published schema"}, true
	case MaxMessageLengthExceeded:
		return description{400, "Your request was too big."}, true
	case MetadataTooLarge:
		return description{400, "Your metadata headers exceed the maximum allowed metadata size"}, true
	case MethodNotAllowed:
		return description{405, "The specified method is not allowed against this resource."}, true
	case MissingContentLength:
		return description{411, "You must provide the Content-Length HTTP header."}, true
	case MissingRequestBodyError:
		return description{400, "Request body is empty."}, true
	case MissingSecurityHeader:
		return description{400, "Your request was missing a required header."}, true
	case NoSuchBucket:
		return description{404, "The specified bucket does not exist"}, true
	case NoSuchBucketPolicy:
		return description{404, "The bucket policy does not exist"}, true
	case NoSuchConfiguration:
		return description{404, "The specified configuration does not exist."}, true
	case NoSuchCORSConfiguration:
		return description{404, "The CORS configuration does not exist"}, true
	case NoSuchKey:
		return description{404, "The specified key does not exist."}, true
	case NoSuchLifecycleConfiguration:
		return description{404, "The lifecycle configuration does not exist"}, true
	case NoSuchObjectLockConfiguration:
		return description{404, "The specified object does not have a ObjectLock configuration"}, true
	case NoSuchPublicAccessBlockConfiguration:
		return description{404, "The public access block configuration was not found"}, true
	case NoSuchTagSet:
		return description{404, "The TagSet does not exist"}, true
	case NoSuchUpload:
		return description{404, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."}, true
	case NoSuchVersion:
		return description{404, "The specified version does not exist."}, true
	case NoSuchWebsiteConfiguration:
		return description{404, "The specified bucket does not have a website configuration"}, true
	case NotImplemented:
		return description{501, "A header you provided implies functionality that is not implemented"}, true
	case NotModified:
		return description{304, "Not Modified"}, true
	case ObjectLockConfigurationNotFoundError:
		return description{404, "Object Lock configuration does not exist for this bucket"}, true
	case OperationAborted:
		return description{409, "A conflicting conditional operation is currently in progress against this resource. Try again."}, true
	case OwnershipControlsNotFoundError:
		return description{404, "The bucket ownership controls were not found"}, true
	case PreconditionFailed:
		return description{412, "At least one of the pre-conditions you specified did not hold"}, true
	case ReplicationConfigurationNotFoundError:
		return description{404, "The replication configuration was not found"}, true
	case RequestHeaderSectionTooLarge:
		return description{400, "Your request header section exceeds the maximum allowed size."}, true
	case RequestTimeout:
		return description{400, "Your socket connection to the server was not read from or written to within the timeout period."}, true
	case RequestTimeTooSkewed:
		return description{403, "The difference between the request time and the current time is too large."}, true
	case ServerSideEncryptionConfigurationNotFoundError:
		return description{404, "The server side encryption configuration was not found"}, true
	case ServiceUnavailable:
		return description{503, "Service is unable to handle request."}, true
	case SignatureDoesNotMatch:
		return description{403, "The request signature we calculated does not match the signature you provided. Check your key and signing method."}, true
	case SlowDown:
		return description{503, "Please reduce your request rate."}, true
	case TooManyBuckets:
		return description{400, "You have attempted to create more buckets than allowed"}, true
	case UnexpectedContent:
		return description{400, "This request does not support content"}, true
	case URITooLong:
		return description{414, "The request line is too long."}, true
	case XAmzContentSHA256Mismatch:
		return description{400, "The provided 'x-amz-content-sha256' header does not match what was computed."}, true
	}
	return description{}, false
}
