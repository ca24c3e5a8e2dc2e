// Package e2e runs real clients (the aws CLI, boto3, restic, rclone, s3cmd,
// minio-go, curl) against a real catena process, over HTTP, over TLS and behind
// nginx, and compares every byte. A file per client.
//
// Tests of clients that are programs need what install.sh brings; CATENA_E2E
// names the folder. Without it they are skipped, and `go test ./...` needs only
// Go; the gate sets CATENA_E2E_REQUIRED, which turns a skip into a failure.
//
// minio-go, the contract suite, the random comparison with the model and the
// catalogue of bad input (s3api/s3test) need nothing and always run.
package e2e
