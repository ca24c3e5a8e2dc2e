package store

type recordKind uint8

const (
	recCreate recordKind = iota + 1
	recDrop
	recState
	recEntry
	recTruncate
	recRemove
)

type (
	pageRecord  struct{}
	chunkRecord struct{}
	imageRecord struct{}
)
