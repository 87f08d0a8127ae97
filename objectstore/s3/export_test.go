package s3

import (
	"fmt"
	"io"
	"net/http"

	"github.com/minio/minio-go/v7/pkg/signer"
)

// Drain asks for a page and drops it.
func Drain(client *http.Client, page, access, secret string) error {
	req, err := http.NewRequest(http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Amz-Content-Sha256", emptySHA256)
	resp, err := client.Do(signer.SignV4(*req, access, secret, "", "us-east-1"))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", page, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
