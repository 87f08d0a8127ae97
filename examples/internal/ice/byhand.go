package ice

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/georedkit/georedkit/geored"
)

// byHand completes the steps of a stage for those who review it or follow it by hand: what the step wants where its stage
// says nothing more exact, and each site's own kubeconfig in its commands.
func (d *Deployment) byHand(stage geored.Stage) geored.Stage {
	bind := stage.Bind
	stage.Outline = slices.Clone(stage.Outline)
	for i := range stage.Outline {
		stage.Outline[i] = d.stepByHand(stage.Outline[i])
	}
	stage.Bind = func(ctx context.Context) ([]geored.Task, error) {
		tasks, err := bind(ctx)
		tasks = slices.Clone(tasks)
		for i := range tasks {
			tasks[i].Step = d.stepByHand(tasks[i].Step)
		}
		return tasks, err
	}
	return stage
}

func (d *Deployment) stepByHand(s geored.Step) geored.Step {
	if s.Action != geored.Await && s.Wanted == "" && len(s.Given) == 0 {
		s.Wanted = wantedOf(s.ID, s.Action, s.Target, d.options.Images, d.site(s.Site).apiServer())
	}
	if len(s.Manual) == 0 {
		s.Manual = []string{"kubectl --context " + string(s.Site) + " apply -f " + strings.ReplaceAll(s.Target, " ", "-") + ".yaml"}
	}
	if s.Action != geored.Await && len(s.ManualUndo) == 0 && s.Permanent == "" {
		s.ManualUndo = []string{"kubectl --context " + string(s.Site) + " delete " + undoTarget(s.Target)}
	}
	s.Manual, s.ManualUndo = d.withKubeconfig(s.Site, s.Manual), d.withKubeconfig(s.Site, s.ManualUndo)
	return s
}

// undoTarget is "secret kube-system/dc1" as kubectl takes it.
func undoTarget(target string) string {
	kind, name, _ := strings.Cut(target, " ")
	if namespace, short, ok := strings.Cut(name, "/"); ok {
		return "-n " + namespace + " " + kind + " " + short
	}
	return target
}

// withKubeconfig names the site's kubeconfig where the commands name the site.
func (d *Deployment) withKubeconfig(site geored.SiteName, commands []string) []string {
	ref := d.site(site).Kube
	if ref.Kubeconfig == "" {
		return commands
	}
	file := "--kubeconfig " + filepath.Base(ref.Kubeconfig)
	kubectl, helm := "kubectl "+file, "helm "+file
	if ref.Context != "" {
		kubectl, helm = kubectl+" --context "+ref.Context, helm+" --kube-context "+ref.Context
	}
	replace := strings.NewReplacer("kubectl --context "+string(site), kubectl, "helm --kube-context "+string(site), helm, "kubectl -n ", kubectl+" -n ")
	out := make([]string, len(commands))
	for i, command := range commands {
		out[i] = replace.Replace(command)
	}
	return out
}
