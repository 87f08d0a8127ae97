package ice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/cassandra"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// cassandraUp waits for Cassandra of every site: MultiCassKop starts one site after the other (ICE guide, 4.4.4).
func (d *Deployment) cassandraUp() geored.Stage {
	const stage = "cassandra"
	var tasks []geored.Task
	for _, site := range d.Topology.Sites {
		step := geored.Step{ID: stepID(stage, site.Name, "nodes"), Site: site.Name, Target: "statefulset " + cassandraNamespace + "/" + ringName(site.Name), Action: geored.Await,
			Reason: "MultiCassKop starts Cassandra of one site after the other (ICE guide, 4.4.4)", Manual: []string{d.kubectl(site.Name, "-n "+cassandraNamespace+" get pods")}}
		tasks = append(tasks, geored.Task{Step: step, Observe: func(ctx context.Context) (geored.State, error) { return d.nodesUp(ctx, site.Name) }})
	}
	return geored.StageOf(stage, tasks...)
}

// nodesUp: as many nodes as the values ask for are ready.
func (d *Deployment) nodesUp(ctx context.Context, site geored.SiteName) (geored.State, error) {
	set, err := d.Clusters[site].Client().AppsV1().StatefulSets(cassandraNamespace).Get(ctx, ringName(site), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return geored.State{Detail: "statefulset " + ringName(site) + " is not there"}, nil
	}
	if err != nil {
		return geored.State{}, err
	}
	wanted := int32(d.Topology.Applications.CassandraNodes)
	return geored.State{Done: set.Status.ReadyReplicas == wanted && set.Status.Replicas == wanted && set.Status.ObservedGeneration == set.Generation,
		Detail: fmt.Sprintf("%d of %d nodes are ready", set.Status.ReadyReplicas, wanted)}, nil
}

// modelManager waits until the first site's installation is through.
func (d *Deployment) modelManager() geored.Stage {
	step := d.modelManagerStep("modelmanager", d.first())
	return geored.StageOf("modelmanager", d.modelManagerTask(step))
}

func (d *Deployment) modelManagerStep(stage string, site geored.SiteName, needs ...geored.StepID) geored.Step {
	return geored.Step{ID: stepID(stage, site, "modelmanager"), Site: site, Target: "job modelmanager in " + arcusNamespace, Action: geored.Await, Needs: needs,
		Reason: "it makes the schema, and all other applications run (ICE guide, 4.4.5 and 4.4.7)", Manual: []string{d.kubectl(site, "-n "+arcusNamespace+" get pods")}}
}

// modelManagerTask waits for the Job of the installed chart, and for every other pod of its namespace.
func (d *Deployment) modelManagerTask(step geored.Step) geored.Task {
	return geored.Task{Step: step, Observe: func(ctx context.Context) (geored.State, error) {
		jobs, err := d.jobs(ctx, step.Site)
		if err != nil {
			return geored.State{}, err
		}
		if state := judgeModelManager(jobs); !state.Done {
			return state, nil
		}
		return d.podsRun(ctx, step.Site, arcusNamespace)
	}}
}

func (d *Deployment) jobs(ctx context.Context, site geored.SiteName) ([]batchv1.Job, error) {
	list, err := d.Clusters[site].Client().BatchV1().Jobs(arcusNamespace).List(ctx, metav1.ListOptions{LabelSelector: "run=modelmanager"})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// judgeModelManager looks at the newest: each version of the product brings a Job of its own.
func judgeModelManager(jobs []batchv1.Job) geored.State {
	if len(jobs) == 0 {
		return geored.State{Detail: "there is no job with the label run=modelmanager"}
	}
	newest := slices.MaxFunc(jobs, func(a, b batchv1.Job) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	for _, c := range newest.Status.Conditions {
		if c.Type == batchv1.JobFailed && c.Status == "True" {
			return geored.State{Detail: fmt.Sprintf("job %s failed: %s", newest.Name, c.Message)}
		}
	}
	return geored.State{Done: newest.Status.Succeeded > 0, Detail: fmt.Sprintf("job %s: %d completed, %d active, %d failed", newest.Name, newest.Status.Succeeded, newest.Status.Active, newest.Status.Failed)}
}

// ringProven proves ring, schema and rows, and repairs once as the guide has it (ICE guide, 4.4.5).
func (d *Deployment) ringProven() geored.Stage {
	const stage = "ring"
	site := d.first()
	step := func(name, reason string, action geored.Action, manual string, needs ...string) geored.Step {
		s := geored.Step{ID: stepID(stage, site, name), Site: site, Target: "the ring over all sites", Action: action, Reason: reason,
			Manual: []string{d.kubectl(site, "-n "+cassandraNamespace+" -c cassandra exec "+ringName(site)+"-0 -- "+manual)}}
		for _, need := range needs {
			s.Needs = append(s.Needs, stepID(stage, site, need))
		}
		return s
	}
	repair := step("repair", "what was written while the ring came together may be at one site alone (ICE guide, 4.4.5)", geored.Execute, "nodetool repair -full -pr "+keyspace+" (on every node, one after the other)", "schema")
	repair.Permanent = "a repair takes nothing away"
	return geored.StageOf(stage,
		geored.Task{Step: step("whole", "every node answers, and knows and hears every other: nodetool shows one node's opinion", geored.Await, "nodetool status"), Observe: d.ringWhole},
		geored.Task{Step: step("schema", "all nodes have one schema", geored.Await, "nodetool describecluster", "whole"), Observe: d.schemaAgreed},
		d.repairTask(repair),
		geored.Task{Step: step("equal", "the sites hold the same rows, compared by keys, values and write times (ICE guide, 4.4.5: equal counts)", geored.Await,
			`cqlsh -e "select count(*) from `+keyspace+`.changeset"`, "repair"), Observe: d.tablesEqual})
}

// through opens the ring for one look.
func (d *Deployment) through(ctx context.Context, look func(*cassandra.Cluster) (geored.State, error)) (geored.State, error) {
	c, err := d.ring(ctx)
	if err != nil {
		return geored.State{}, err
	}
	defer c.Close()
	return look(c)
}

// ringChecks are what must pass before anything is said of rows.
var ringChecks = []geored.CheckID{cassandra.CheckNodes, cassandra.CheckNames, cassandra.CheckView, cassandra.CheckGossip, cassandra.CheckTokens, cassandra.CheckVersions}

func (d *Deployment) ringWhole(ctx context.Context) (geored.State, error) {
	return d.through(ctx, func(c *cassandra.Cluster) (geored.State, error) {
		checks := slices.DeleteFunc(c.Checks(), func(check geored.Check) bool { return !slices.Contains(ringChecks, check.ID) })
		return proven(ctx, "the ring is whole in every node's view", checks...)
	})
}

func (d *Deployment) schemaAgreed(ctx context.Context) (geored.State, error) {
	return d.through(ctx, func(c *cassandra.Cluster) (geored.State, error) {
		checks := slices.DeleteFunc(c.Checks(), func(check geored.Check) bool {
			return check.ID != cassandra.CheckNodes && check.ID != cassandra.CheckSchema && check.ID != cassandra.CheckReplication
		})
		return proven(ctx, "all nodes have one schema, and every keyspace has replicas in every site", checks...)
	})
}

// proven is done when all checks pass or warn; its detail tells what keeps them from it.
func proven(ctx context.Context, done string, checks ...geored.Check) (geored.State, error) {
	return prove(ctx, geored.CheckConfig{}, checks, func(geored.Report) string { return done }, inWords)
}

func inWords(f geored.Finding) string {
	words := append([]string{f.Message}, f.Evidence...)
	if f.Remedy != "" {
		words = append(words, f.Remedy)
	}
	return fmt.Sprintf("%s %s: %s", f.Check, f.Verdict, strings.Join(words, "; "))
}

// prove is done when all checks pass or warn. What keeps them from it is the first that fails, or else the first that is
// unknown.
func prove(ctx context.Context, config geored.CheckConfig, checks []geored.Check, done func(geored.Report) string, not func(geored.Finding) string) (geored.State, error) {
	report, err := geored.Prove(ctx, config, checks...)
	if err != nil {
		return geored.State{}, err
	}
	if verdict := report.Verdict(); verdict == geored.Pass || verdict == geored.Warn {
		return geored.State{Done: true, Detail: done(report)}, nil
	}
	for _, want := range []geored.Verdict{geored.Fail, geored.Unknown} {
		for _, f := range report.Findings {
			if f.Verdict == want {
				return geored.State{Detail: not(f)}, nil
			}
		}
	}
	return geored.State{Detail: "nothing was proven"}, nil
}

// tablesEqual compares all tables of the product.
func (d *Deployment) tablesEqual(ctx context.Context) (geored.State, error) {
	return d.through(ctx, func(c *cassandra.Cluster) (geored.State, error) {
		tables, err := c.Tables(ctx, keyspace)
		if err != nil {
			return geored.State{}, err
		}
		found, err := c.CompareAll(ctx, tables, d.comparing())
		if err != nil {
			return geored.State{}, err
		}
		return geored.State{Done: found.Verdict() == geored.Pass, Detail: found.String()}, nil
	})
}

// comparing proves every replica when a site has several, which one of them would leave unproven: by Merkle trees, or row by
// row where nothing may be begun in the nodes.
func (d *Deployment) comparing() cassandra.Comparing {
	how := cassandra.Comparing{Settle: 2 * time.Second}
	switch {
	case d.Topology.Applications.ReplicationFactor <= 1:
	case d.options.ReadOnly:
		how.EveryReplica = true
	default:
		how.Trees = d.cassandraPods()
	}
	return how
}

// Annotations of the first site's StatefulSet: the repair that was begun, and the one that ended.
const (
	repairBegun = "georedkit/repair-begun"
	repairEnded = "georedkit/repair-ended"
)

// repairTask repairs every node once, and all once more when the ring has grown. The plan that is under way stands at the
// StatefulSet: a run that goes on holds it against what the nodes themselves say they repaired, and repairs none twice.
func (d *Deployment) repairTask(step geored.Step) geored.Task {
	sets := d.Clusters[step.Site].Client().AppsV1().StatefulSets(cassandraNamespace)
	mark := func(ctx context.Context, key string, value any) error {
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		patch, err := json.Marshal(table{"metadata": table{"annotations": table{key: string(text)}}})
		if err != nil {
			return err
		}
		_, err = sets.Patch(ctx, ringName(step.Site), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: kube.FieldManager})
		return err
	}
	read := func(ctx context.Context) (begun cassandra.RepairPlan, ended []string, err error) {
		set, err := sets.Get(ctx, ringName(step.Site), metav1.GetOptions{})
		if err != nil {
			return begun, nil, err
		}
		for key, into := range map[string]any{repairBegun: &begun, repairEnded: &ended} {
			if text := set.Annotations[key]; text != "" {
				err = errors.Join(err, json.Unmarshal([]byte(text), into))
			}
		}
		return begun, ended, err
	}
	nodes := len(d.Topology.Sites) * d.Topology.Applications.CassandraNodes
	return geored.Task{Step: step,
		Observe: func(ctx context.Context) (geored.State, error) {
			_, ended, err := read(ctx)
			return geored.State{Done: err == nil && len(ended) >= nodes, Detail: fmt.Sprintf("%d of %d nodes were repaired: %s", len(ended), nodes, strings.Join(ended, ", "))}, err
		},
		Apply: func(ctx context.Context) error {
			begun, ended, err := read(ctx)
			if err != nil {
				return geored.Retriable(err)
			}
			c, err := d.ring(ctx)
			if err != nil {
				return geored.Retriable(err)
			}
			defer c.Close()
			// None was begun, the ring has grown since, or a node was restarted and forgot.
			if len(begun.Nodes) < nodes || len(ended) >= len(begun.Nodes) || moved(ctx, c, begun.Nodes) {
				if begun, err = c.PlanRepair(ctx, keyspace, 0); err != nil {
					return geored.Retriable(err) // a ring that just came together may not agree yet
				}
				if err := mark(ctx, repairBegun, begun); err != nil {
					return geored.Retriable(err)
				}
			}
			repaired, err := d.repairAll(ctx, c, begun)
			if err != nil {
				return geored.Retriable(err)
			}
			return mark(ctx, repairEnded, repaired)
		},
	}
}

// repairAll repairs the nodes of a plan one after the other; those that say they did are not asked again.
func (d *Deployment) repairAll(ctx context.Context, c *cassandra.Cluster, plan cassandra.RepairPlan) ([]string, error) {
	tasks, err := c.RepairStage(plan, d.cassandraPods(), d.Topology.Applications.Timeout).Bind(ctx)
	if err != nil {
		return nil, err
	}
	var repaired []string
	for i, task := range tasks {
		state, err := task.Observe(ctx)
		if err == nil && !state.Done && task.Apply != nil {
			err = task.Apply(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", task.ID, err)
		}
		repaired = append(repaired, plan.Nodes[i].DataCenter+" "+plan.Nodes[i].HostID)
	}
	return repaired, nil
}
