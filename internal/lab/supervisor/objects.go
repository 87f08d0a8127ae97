package supervisor

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/georedkit/georedkit/internal/lab/address"
	"github.com/georedkit/georedkit/internal/lab/kubeapi"
)

//go:embed objects.yaml
var objectsText string

var objects = template.Must(template.New("objects.yaml").Parse(objectsText))

// createObjects fills a new site.
func createObjects(ctx context.Context, api *kubeapi.Client, site address.Site) error {
	var text bytes.Buffer
	if err := objects.Execute(&text, site); err != nil {
		return err
	}
	return createAll(ctx, api, text.String())
}

// createAll makes objects that each say in their first line where they belong.
func createAll(ctx context.Context, api *kubeapi.Client, text string) error {
	for object := range strings.SplitSeq(text, "\n---\n") {
		first, _, _ := strings.Cut(object, "\n")
		if err := api.Create(ctx, strings.TrimPrefix(first, "# "), []byte(object)); err != nil {
			return err
		}
	}
	return nil
}

// createNodes makes the node objects, so that each node's range of pods is the planned one whichever kubelet
// comes first.
func createNodes(ctx context.Context, api *kubeapi.Client, site address.Site) error {
	for _, node := range site.Nodes {
		if err := createNode(ctx, api, node); err != nil {
			return err
		}
	}
	return nil
}

func createNode(ctx context.Context, api *kubeapi.Client, node address.Node) error {
	object := fmt.Sprintf("{apiVersion: v1, kind: Node, metadata: {name: %s}, spec: {podCIDR: %s, podCIDRs: [%[2]s]}}", node.Name, node.Pods)
	return api.Create(ctx, "/api/v1/nodes/"+node.Name, []byte(object))
}
