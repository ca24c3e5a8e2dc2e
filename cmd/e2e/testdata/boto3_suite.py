"""What a boto3 program does, with every byte compared. Usage: boto3_suite.py ENDPOINT"""
import base64
import hashlib
import io
import os
import sys
import time

import boto3
import botocore
from botocore.config import Config
from boto3.s3.transfer import TransferConfig

endpoint = sys.argv[1]
checks = 0


def client(**cfg):
    return boto3.client("s3", endpoint_url=endpoint, verify=False, config=Config(retries={"max_attempts": 1}, **cfg))


def check(ok, what):
    global checks
    checks += 1
    if not ok:
        raise SystemExit("FAILED: %s" % (what,))


def fails(status, code, call, **kw):
    try:
        call(**kw)
    except botocore.exceptions.ClientError as e:
        got = e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Code"]
        check(got == (status, code), "%s gave %s, want %s" % (call.__name__, got, (status, code)))
        return
    raise SystemExit("FAILED: %s %s should fail with %s" % (call.__name__, kw, code))


s3 = client()
bucket = "boto3-suite"
s3.create_bucket(Bucket=bucket)
s3.get_waiter("bucket_exists").wait(Bucket=bucket, WaiterConfig={"Delay": 1, "MaxAttempts": 3})
check(bucket in [b["Name"] for b in s3.list_buckets()["Buckets"]], "bucket is listed")
s3.get_bucket_location(Bucket=bucket)

# every checksum algorithm, verified by the server and returned
data = os.urandom(70000)
for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
    try:
        r = s3.put_object(Bucket=bucket, Key="sum/" + algorithm, Body=data, ChecksumAlgorithm=algorithm)
    except botocore.exceptions.MissingDependencyException:
        if algorithm in ("CRC32C", "CRC64NVME"):
            continue  # boto3 needs an optional library for these two
        raise
    field = "Checksum" + algorithm
    check(r.get(field), "put returns " + field)
    h = s3.head_object(Bucket=bucket, Key="sum/" + algorithm, ChecksumMode="ENABLED")
    check(h[field] == r[field], "head returns the same " + field)
    g = s3.get_object(Bucket=bucket, Key="sum/" + algorithm, ChecksumMode="ENABLED")
    check(g["Body"].read() == data, "bytes of " + algorithm)
sha = base64.b64encode(hashlib.sha256(data).digest()).decode()
check(s3.head_object(Bucket=bucket, Key="sum/SHA256", ChecksumMode="ENABLED")["ChecksumSHA256"] == sha, "sha256 is right")
fails(400, "BadDigest", s3.put_object, Bucket=bucket, Key="sum/bad", Body=data, ChecksumSHA256=base64.b64encode(b"0" * 32).decode())
fails(404, "404", s3.head_object, Bucket=bucket, Key="sum/bad")

# metadata, etag, empty object
r = s3.put_object(Bucket=bucket, Key="meta", Body=b"x", Metadata={"a": "1", "b-c": "two words"}, ContentType="text/x", CacheControl="no-store")
check(r["ETag"] == '"%s"' % hashlib.md5(b"x").hexdigest(), "etag is the md5")
h = s3.head_object(Bucket=bucket, Key="meta")
check(h["Metadata"] == {"a": "1", "b-c": "two words"} and h["ContentType"] == "text/x" and h["CacheControl"] == "no-store", "metadata")
for i in range(3):  # 100-continue with an empty body must not poison the connection
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    check(s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b"", "empty body")

# multipart through the transfer manager, and by hand with checksums
big = os.urandom(20 * 1024 * 1024 + 17)
s3.upload_fileobj(io.BytesIO(big), bucket, "big", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
out = io.BytesIO()
s3.download_fileobj(bucket, "big", out, Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
check(out.getvalue() == big, "multipart bytes")
check(s3.head_object(Bucket=bucket, Key="big")["ETag"].endswith('-5"'), "multipart etag")
check(s3.get_object(Bucket=bucket, Key="big", Range="bytes=5242870-5242899")["Body"].read() == big[5242870:5242900], "range over a border of parts")
check(s3.get_object(Bucket=bucket, Key="big", PartNumber=5)["Body"].read() == big[4 * (5 << 20):], "part number")
up = s3.create_multipart_upload(Bucket=bucket, Key="hand", ChecksumAlgorithm="SHA256")["UploadId"]
parts = []
for n, body in ((1, big[: 5 << 20]), (2, b"the end")):
    p = s3.upload_part(Bucket=bucket, Key="hand", UploadId=up, PartNumber=n, Body=body, ChecksumAlgorithm="SHA256")
    parts.append({"PartNumber": n, "ETag": p["ETag"], "ChecksumSHA256": p["ChecksumSHA256"]})
check([p["PartNumber"] for p in s3.list_parts(Bucket=bucket, Key="hand", UploadId=up)["Parts"]] == [1, 2], "list parts")
check([u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [up], "list uploads")
done = s3.complete_multipart_upload(Bucket=bucket, Key="hand", UploadId=up, MultipartUpload={"Parts": parts})
check(done["ChecksumSHA256"].endswith("-2"), "composite checksum")
check(s3.get_object(Bucket=bucket, Key="hand")["Body"].read() == big[: 5 << 20] + b"the end", "bytes of hand")
up = s3.create_multipart_upload(Bucket=bucket, Key="aborted")["UploadId"]
s3.upload_part(Bucket=bucket, Key="aborted", UploadId=up, PartNumber=1, Body=b"x")
s3.abort_multipart_upload(Bucket=bucket, Key="aborted", UploadId=up)
fails(404, "NoSuchUpload", s3.list_parts, Bucket=bucket, Key="aborted", UploadId=up)

# copy, part copy
s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": "big"}, MetadataDirective="REPLACE", Metadata={"n": "1"})
check(s3.get_object(Bucket=bucket, Key="copied")["Body"].read() == big, "copied bytes")
up = s3.create_multipart_upload(Bucket=bucket, Key="joined")["UploadId"]
a = s3.upload_part_copy(Bucket=bucket, Key="joined", UploadId=up, PartNumber=1, CopySource={"Bucket": bucket, "Key": "big"}, CopySourceRange="bytes=100-%d" % (100 + (6 << 20)))
b = s3.upload_part_copy(Bucket=bucket, Key="joined", UploadId=up, PartNumber=2, CopySource={"Bucket": bucket, "Key": "meta"})
s3.complete_multipart_upload(Bucket=bucket, Key="joined", UploadId=up, MultipartUpload={"Parts": [
    {"PartNumber": 1, "ETag": a["CopyPartResult"]["ETag"]}, {"PartNumber": 2, "ETag": b["CopyPartResult"]["ETag"]}]})
check(s3.get_object(Bucket=bucket, Key="joined")["Body"].read() == big[100: 100 + (6 << 20) + 1] + b"x", "joined bytes")

# conditions
fails(412, "PreconditionFailed", s3.put_object, Bucket=bucket, Key="meta", Body=b"y", IfNoneMatch="*")
s3.put_object(Bucket=bucket, Key="new", Body=b"y", IfNoneMatch="*")
fails(412, "PreconditionFailed", s3.put_object, Bucket=bucket, Key="new", Body=b"z", IfMatch='"00000000000000000000000000000000"')
s3.put_object(Bucket=bucket, Key="new", Body=b"z", IfMatch='"%s"' % hashlib.md5(b"y").hexdigest())
fails(304, "304", s3.get_object, Bucket=bucket, Key="new", IfNoneMatch='"%s"' % hashlib.md5(b"z").hexdigest())
fails(416, "InvalidRange", s3.get_object, Bucket=bucket, Key="new", Range="bytes=5-")

# paginators over odd keys
keys = ["page/%03d" % i for i in range(25)] + ["page/a b", "page/a+b", "page/ä€😀", "page/x/1", "page/x/2", "page", "page/q?&=%41"]
for k in keys:
    s3.put_object(Bucket=bucket, Key=k, Body=k.encode())
got = [o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="page", PaginationConfig={"PageSize": 7}) for o in p.get("Contents", [])]
check(got == sorted(keys, key=lambda k: k.encode()), "v2 pages: %s" % got)
got = [o["Key"] for p in s3.get_paginator("list_objects").paginate(Bucket=bucket, Prefix="page", PaginationConfig={"PageSize": 7}) for o in p.get("Contents", [])]
check(got == sorted(keys, key=lambda k: k.encode()), "v1 pages")
r = s3.list_objects_v2(Bucket=bucket, Prefix="page/", Delimiter="/")
check([p["Prefix"] for p in r["CommonPrefixes"]] == ["page/x/"], "common prefixes")
for k in keys:
    check(s3.get_object(Bucket=bucket, Key=k)["Body"].read() == k.encode(), "bytes of %r" % k)

# presigned
url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "page/ä€😀"}, ExpiresIn=60)
import ssl
import urllib.request
check(urllib.request.urlopen(url, context=ssl._create_unverified_context()).read() == "page/ä€😀".encode(), "presigned get")

# virtual style is configured by the server's --domain; path style is what an endpoint with an address uses
attrs = s3.get_object_attributes(Bucket=bucket, Key="hand", ObjectAttributes=["ETag", "Checksum", "ObjectParts", "ObjectSize", "StorageClass"])
check(attrs["ObjectSize"] == (5 << 20) + 7 and attrs["ObjectParts"]["TotalPartsCount"] == 2, "attributes")

# not set, and not built
fails(404, "NoSuchTagSet", s3.get_bucket_tagging, Bucket=bucket)
fails(404, "NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=bucket)
fails(404, "NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket=bucket)
fails(404, "NoSuchBucketPolicy", s3.get_bucket_policy, Bucket=bucket)
check("Status" not in s3.get_bucket_versioning(Bucket=bucket), "versioning is not set")
check(s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL", "owner has full control")
fails(501, "NotImplemented", s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
fails(501, "NotImplemented", s3.put_object, Bucket=bucket, Key="sse", Body=b"x", ServerSideEncryption="AES256")

# delete: many at once, waiters
r = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys + ["never-there"]]})
check(len(r["Deleted"]) == len(keys) + 1 and "Errors" not in r, "delete objects")
for p in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
    for o in p.get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=o["Key"])
s3.get_waiter("object_not_exists").wait(Bucket=bucket, Key="big", WaiterConfig={"Delay": 1, "MaxAttempts": 3})
s3.delete_bucket(Bucket=bucket)
s3.get_waiter("bucket_not_exists").wait(Bucket=bucket, WaiterConfig={"Delay": 1, "MaxAttempts": 3})
print("%d checks, all checks passed" % checks)
