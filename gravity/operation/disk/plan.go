package disk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
)

// maxPlan is how large a plan may be, uncompressed; a plan of a thousand nodes
// has a tenth of it.
const maxPlan = 64 << 20

func encodePlan(plan *operation.Plan) ([]byte, error) {
	data, err := json.Marshal(plan)
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	if len(data) > maxPlan {
		return nil, fmt.Errorf("plan of operation %s has %d bytes, %d at most", plan.OperationID, len(data), maxPlan)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return encoder.EncodeAll(data, nil), nil
}

func readPlan(path string) (*operation.Plan, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plan, err := decodePlan(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return plan, nil
}

// decodePlan reads a stored plan. The compressed form has a checksum.
func decodePlan(r io.Reader) (*operation.Plan, error) {
	decoder, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPlan))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	var data bytes.Buffer
	size, err := io.Copy(&data, io.LimitReader(decoder, maxPlan+1))
	if err != nil {
		return nil, err
	}
	if size > maxPlan {
		return nil, fmt.Errorf("more than %d bytes", maxPlan)
	}
	return parsePlan(data.Bytes())
}

func parsePlan(data []byte) (*operation.Plan, error) {
	plan := &operation.Plan{}
	if err := json.Unmarshal(data, plan); err != nil {
		return nil, err
	}
	return plan, plan.Validate()
}
