// Package tablet gives the log of an index chain its meaning: rows, commands,
// the evaluation of a command to a physical entry, and scans. It knows objects,
// versions, uploads and buckets, and no S3 errors. It is pure.
package tablet
