package ice

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/kube"
)

// The password by which the applications know each other (ICE guide, 4.4.6). The chart makes a random one in each site.
const (
	passwordSecret = "init-superuser-pass"
	passwordKey    = "pass"
)

func (d *Deployment) passwordStep(stage string, site geored.SiteName, reason string) geored.Step {
	return geored.Step{ID: stepID(stage, site, passwordSecret), Site: site, Target: "secret " + arcusNamespace + "/" + passwordSecret, Action: geored.Copy, Reason: reason,
		Permanent: "it is the one password of all sites",
		Manual:    []string{"copy key " + passwordKey + " of secret " + arcusNamespace + "/" + passwordSecret + " of " + string(d.first()) + ", without showing it"}}
}

// password brings the first site's password to the others before their applications are installed: the chart keeps the
// Secret that it finds. The first site's is only ever read, so that no order of failures can lose it.
func (d *Deployment) password() geored.Stage {
	var tasks []geored.Task
	for _, site := range d.others(d.first()) {
		step := d.passwordStep("password", site, "the applications of all sites need one password, and take the one that is there when they are installed (ICE guide, 4.4.6)")
		tasks = append(tasks, geored.Task{Step: step,
			Observe: func(ctx context.Context) (geored.State, error) { return d.samePassword(ctx, site) },
			Apply:   func(ctx context.Context) error { return d.copyPassword(ctx, site, "") }})
	}
	return geored.StageOf("password", tasks...)
}

// passwordKept looks again after the installation, which may have made one of its own: then it is copied once more, and
// what reads it at its start is started anew.
func (d *Deployment) passwordKept() geored.Stage {
	var tasks []geored.Task
	for _, site := range d.others(d.first()) {
		step := d.passwordStep("password-kept", site, "the chart may have made another while it was installed, and running pods do not read it again")
		tasks = append(tasks, geored.Task{Step: step,
			Observe: func(ctx context.Context) (geored.State, error) {
				if state, err := d.samePassword(ctx, site); err != nil || !state.Done {
					return state, err
				}
				if owed, err := d.restartOwed(ctx, site); err != nil || owed != "" {
					return geored.State{Detail: "the password is the same, and who reads it was not restarted"}, err
				}
				return d.podsRun(ctx, site, arcusNamespace)
			},
			Apply: func(ctx context.Context) error {
				state, err := d.samePassword(ctx, site)
				if err != nil {
					return geored.Retriable(err)
				}
				if !state.Done {
					if err := d.copyPassword(ctx, site, rand.Text()); err != nil {
						return err
					}
				}
				return d.restartArcus(ctx, site)
			}})
	}
	return geored.StageOf("password-kept", tasks...)
}

// readPassword gives the password of a site; false when there is none.
func (d *Deployment) readPassword(ctx context.Context, site geored.SiteName) (creds.Document, *corev1.Secret, error) {
	secret, err := d.Clusters[site].Client().CoreV1().Secrets(arcusNamespace).Get(ctx, passwordSecret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return creds.Document{}, nil, nil
	}
	if err != nil {
		return creds.Document{}, nil, err
	}
	return creds.NewDocument(string(secret.Data[passwordKey])), secret, nil
}

func (d *Deployment) samePassword(ctx context.Context, site geored.SiteName) (geored.State, error) {
	ours, _, err1 := d.readPassword(ctx, d.first())
	theirs, secret, err2 := d.readPassword(ctx, site)
	if err := errors.Join(err1, err2); err != nil {
		return geored.State{}, err
	}
	return judgePassword(d.first(), ours, theirs, secret != nil), nil
}

func judgePassword(first geored.SiteName, ours, theirs creds.Document, there bool) geored.State {
	switch {
	case ours.IsZero():
		return geored.State{Detail: fmt.Sprintf("site %s has no %s yet", first, passwordSecret)}
	case !there:
		return geored.State{Detail: passwordSecret + " is not there"}
	case !ours.Equal(theirs):
		return geored.State{Detail: fmt.Sprintf("%s is not that of site %s", passwordSecret, first)}
	}
	return geored.State{Done: true, Detail: fmt.Sprintf("%s is that of site %s", passwordSecret, first)}
}

// copyPassword writes the password as it is, and nothing when the first site has none. The Secret carries Helm's marks, so
// that the product's release takes it over instead of stumbling over it. With it goes the mark of a restart that is owed to
// those who read the old one: where there was one, somebody may have. Zero, and none was there: nobody did.
func (d *Deployment) copyPassword(ctx context.Context, site geored.SiteName, owed string) error {
	ours, _, err := d.readPassword(ctx, d.first())
	if err != nil {
		return geored.Retriable(err)
	}
	if ours.IsZero() {
		return geored.Retriable(fmt.Errorf("site %s has no %s yet", d.first(), passwordSecret))
	}
	_, secret, err := d.readPassword(ctx, site)
	if err != nil {
		return geored.Retriable(err)
	}
	secrets, data := d.Clusters[site].Client().CoreV1().Secrets(arcusNamespace), map[string][]byte{passwordKey: []byte(ours.Reveal())}
	if secret == nil {
		secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: passwordSecret,
			Labels:      map[string]string{"app.kubernetes.io/managed-by": "Helm"},
			Annotations: map[string]string{"meta.helm.sh/release-name": productRelease, "meta.helm.sh/release-namespace": productNamespace}},
			Type: corev1.SecretTypeOpaque, Data: data}
		if owed != "" {
			secret.Annotations[restartOwed] = owed
		}
		_, err = secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: kube.FieldManager})
		return geored.Retriable(err) // its namespace may be on its way
	}
	secret = secret.DeepCopy() // with its resourceVersion: nobody's change is lost
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[passwordKey] = data[passwordKey]
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, restartOwed, cmp.Or(owed, rand.Text()))
	_, err = secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: kube.FieldManager})
	return geored.Retriable(err)
}

// Marks: on the Secret the restart that is owed since it was copied, on the templates of pods what they were restarted for.
const (
	restartOwed  = "georedkit/restart-owed"
	restartedFor = "georedkit/restarted-for"
)

func (d *Deployment) restartOwed(ctx context.Context, site geored.SiteName) (string, error) {
	_, secret, err := d.readPassword(ctx, site)
	if err != nil || secret == nil {
		return "", errors.Join(err, errors.New(passwordSecret+" is not there"))
	}
	return secret.Annotations[restartOwed], nil
}

// restartArcus starts the applications of a site anew when that is owed, and crosses it off. The same mark restarts each
// once, however often this is interrupted.
func (d *Deployment) restartArcus(ctx context.Context, site geored.SiteName) error {
	_, secret, err := d.readPassword(ctx, site)
	if err != nil || secret == nil {
		return geored.Retriable(errors.Join(err, errors.New(passwordSecret+" is not there")))
	}
	owed := secret.Annotations[restartOwed]
	if owed == "" {
		return nil
	}
	deployments := d.Clusters[site].Client().AppsV1().Deployments(arcusNamespace)
	list, err := deployments.List(ctx, metav1.ListOptions{})
	if err != nil {
		return geored.Retriable(err)
	}
	for _, deployment := range list.Items {
		if _, err := deployments.Patch(ctx, deployment.Name, types.StrategicMergePatchType, restartPatch(owed), metav1.PatchOptions{FieldManager: kube.FieldManager}); err != nil {
			return geored.Retriable(err)
		}
	}
	secret = secret.DeepCopy()
	delete(secret.Annotations, restartOwed)
	_, err = d.Clusters[site].Client().CoreV1().Secrets(arcusNamespace).Update(ctx, secret, metav1.UpdateOptions{FieldManager: kube.FieldManager})
	return geored.Retriable(err)
}

// restartPatch marks a template, which has its pods replaced.
func restartPatch(mark string) []byte {
	return fmt.Appendf(nil, `{"spec":{"template":{"metadata":{"annotations":{%q:%q}}}}}`, restartedFor, mark)
}
