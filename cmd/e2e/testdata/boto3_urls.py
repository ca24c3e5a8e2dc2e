"""URLs that boto3 presigns, of both signature versions and in both addressing styles, used by another
HTTP client, and requests in virtual-host style. Usage: boto3_urls.py SCHEME://IP:PORT DOMAIN"""
import http.client
import socket
import ssl
import sys
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

endpoint, domain = sys.argv[1:3]
server = urlsplit(endpoint)
checks = 0

# Every name below the domain is the server's address.
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *a, **kw: resolve(server.hostname if str(host).endswith(domain) else host, *a, **kw)


def check(ok, what):
    global checks
    checks += 1
    if not ok:
        raise SystemExit("FAILED: %s" % (what,))


def client(style, version):
    host = domain if style == "virtual" else server.hostname
    return boto3.client("s3", endpoint_url="%s://%s:%d" % (server.scheme, host, server.port), verify=False, config=Config(
        retries={"max_attempts": 1}, signature_version=version, s3={"addressing_style": style}))


def use(url, method="GET", data=None, headers={}):
    # Not urllib, which adds a Content-Type to a body, and version 2 signs Content-Type.
    u = urlsplit(url)
    if u.scheme == "https":
        conn = http.client.HTTPSConnection(u.hostname, u.port, context=ssl._create_unverified_context())
    else:
        conn = http.client.HTTPConnection(u.hostname, u.port)
    conn.request(method, u.path + "?" + u.query, body=data, headers=headers)
    r = conn.getresponse()
    body = r.read()
    conn.close()
    return r.status, body, r.headers


for style in ("path", "virtual"):
    for version in (None, "s3v4"):  # with None botocore chooses version 2 for a URL, version 4 for a request
        s3 = client(style, version)
        name = "%s %s" % (style, version)
        bucket, key = "urls-" + style, "a b/c+d~ä€😀%41"
        s3.create_bucket(Bucket=bucket)
        p = {"Bucket": bucket, "Key": key}

        url = s3.generate_presigned_url("put_object", Params=dict(p, ContentType="text/x", Metadata={"Reviewed-By": "joe, jane"}))
        check(("AWSAccessKeyId=" in url) == (version is None), "%s has the wrong version: %s" % (name, url))
        check((bucket + "." + domain in url) == (style == "virtual"), "%s has the wrong style: %s" % (name, url))
        headers = {"Content-Type": "text/x"}
        if version:  # version 4 wants as headers what it signed as headers
            headers["x-amz-meta-reviewed-by"] = "joe, jane"
        check(use(url, "PUT", b"one", headers)[0] == 200, name + " put")
        check(use(url, "PUT", b"two", dict(headers, **{"x-amz-meta-b": "c"}))[0] == 403, name + " put with a header more")
        h = s3.head_object(**p)
        check(h["Metadata"] == {"reviewed-by": "joe, jane"} and h["ContentType"] == "text/x", name + " metadata")

        url = s3.generate_presigned_url("get_object", Params=dict(p, ResponseContentDisposition='attachment; filename="A & B+.pdf"'))
        status, body, headers = use(url)
        check((status, body) == (200, b"one"), name + " get")
        check(headers["Content-Disposition"] == 'attachment; filename="A & B+.pdf"', name + " override")
        check(use(url + "&versionId=null")[0] == 403, name + " with a parameter more")
        check(use(url, "DELETE")[0] == 403, name + " of another method")
        check(use(s3.generate_presigned_url("get_object", Params=p, ExpiresIn=-10))[0] in (400, 403), name + " expired")

        url = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket, "Prefix": "a"})
        status, body, _ = use(url)
        check(status == 200 and b"<KeyCount>1</KeyCount>" in body, name + " list")

        up = s3.create_multipart_upload(**p)["UploadId"]
        url = s3.generate_presigned_url("upload_part", Params=dict(p, UploadId=up, PartNumber=1))
        status, _, headers = use(url, "PUT", b"a part")
        check(status == 200, name + " part")
        s3.complete_multipart_upload(**p, UploadId=up, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": headers["ETag"]}]})
        check(s3.get_object(**p)["Body"].read() == b"a part", name + " whole")

        check(use(s3.generate_presigned_url("delete_object", Params=p), "DELETE")[0] == 204, name + " delete")
        s3.delete_bucket(Bucket=bucket)
print("%d checks, all checks passed" % checks)
