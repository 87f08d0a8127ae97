package labtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
)

// cluster is a namespace of one site that ends with the test.
type cluster struct {
	*kubernetes.Clientset
	config    *rest.Config
	namespace string
}

func (s site) cluster(t *testing.T) cluster {
	t.Helper()
	c := cluster{s.client(t), s.config(t), strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))}
	ctx := context.Background()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.namespace}}
	if _, err := c.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CoreV1().Namespaces().Delete(ctx, c.namespace, metav1.DeleteOptions{}) })
	return c
}

// pod is one that serves on port 8080, unless changed.
func pod(name string, changes ...func(*corev1.Pod)) *corev1.Pod {
	grace := int64(1)
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &grace,
			Containers: []corev1.Container{{Name: "main", Image: "localhost/lab/app:1", Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
				ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}}}},
		},
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

// running makes a pod run a command of the host's instead.
func running(argv ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		main := &p.Spec.Containers[0]
		main.Image, main.Command, main.ReadinessProbe = "localhost/lab/base:1", argv, nil
	}
}

func onNode(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{corev1.LabelHostname: name} }
}

func (c cluster) create(t *testing.T, p *corev1.Pod) {
	t.Helper()
	// The namespace's default account appears a moment after the namespace.
	eventually(t, "create pod "+p.Name, func() error {
		_, err := c.CoreV1().Pods(c.namespace).Create(context.Background(), p, metav1.CreateOptions{})
		return err
	})
}

func (c cluster) get(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	p, err := c.CoreV1().Pods(c.namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ready waits for a pod and returns it.
func (c cluster) ready(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	var p *corev1.Pod
	eventually(t, "pod "+name+" ready", func() (err error) {
		p, err = c.CoreV1().Pods(c.namespace).Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range p.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil {
				return nil
			}
		}
		return fmt.Errorf("%s %+v", p.Status.Phase, p.Status.ContainerStatuses)
	})
	return p
}

// remove deletes a pod and waits until it is gone.
func (c cluster) remove(t *testing.T, name string) {
	t.Helper()
	uid := c.get(t, name).UID
	if err := c.CoreV1().Pods(c.namespace).Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "pod "+name+" gone", func() error {
		p, err := c.CoreV1().Pods(c.namespace).Get(context.Background(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && p.UID != uid {
			return nil
		}
		return errors.Join(err, errors.New("it is still there"))
	})
}

// expose makes a Service for a pod and returns its address; headless, it has none.
func (c cluster) expose(t *testing.T, name string, headless bool) string {
	t.Helper()
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": name},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
		},
	}
	if headless {
		service.Spec.ClusterIP = corev1.ClusterIPNone
	}
	made, err := c.CoreV1().Services(c.namespace).Create(context.Background(), service, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Spec.ClusterIP
}

// exec runs a command in a pod.
func (c cluster) exec(ctx context.Context, podName string, stdin io.Reader, argv ...string) (stdout string, err error) {
	request := c.CoreV1().RESTClient().Post().Resource("pods").Namespace(c.namespace).Name(podName).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: argv, Stdin: stdin != nil, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(c.config, "GET", request.URL().String())
	if err != nil {
		return "", err
	}
	var out, complaints bytes.Buffer
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: stdin, Stdout: &out, Stderr: &complaints})
	if err != nil {
		err = fmt.Errorf("%w: %s", err, complaints.String())
	}
	return out.String(), err
}

// fetch asks for a page from inside a pod that has a shell.
func (c cluster) fetch(podName, hostPort string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	host, port, _ := strings.Cut(hostPort, ":")
	script := fmt.Sprintf(`exec 3<>/dev/tcp/%s/%s; printf 'GET / HTTP/1.0\r\n\r\n' >&3; timeout 3 cat <&3 | tail -n 1`, host, port)
	return c.exec(ctx, podName, nil, "timeout", "5", "bash", "-c", script)
}
