// whereabouts with a cluster in memory: its own reading of the configuration, its own allocation and
// its own storage code, on the fake clientsets that it and client-go publish for tests. What a real
// API server checks of the objects, their names, is checked here by the code that it runs.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/pkg/skel"
	cnitypes "github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
	"github.com/k8snetworkplumbingwg/whereabouts/pkg/config"
	fakewb "github.com/k8snetworkplumbingwg/whereabouts/pkg/generated/clientset/versioned/fake"
	"github.com/k8snetworkplumbingwg/whereabouts/pkg/storage/kubernetes"
	"github.com/k8snetworkplumbingwg/whereabouts/pkg/types"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	fakek8s "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/testing"
)

const namespace = "kube-system"

// named refuses what an API server refuses for its name, and counts versions as it does.
func named(action testing.Action) (bool, runtime.Object, error) {
	object := action.(testing.CreateAction).GetObject()
	accessor, err := meta.Accessor(object)
	if err != nil {
		return true, nil, err
	}
	if faults := validation.NameIsDNSSubdomain(accessor.GetName(), false); len(faults) > 0 {
		path := field.NewPath("metadata", "name")
		list := field.ErrorList{field.Invalid(path, accessor.GetName(), faults[0])}
		return true, nil, errors.NewInvalid(schema.GroupKind{}, accessor.GetName(), list)
	}
	accessor.SetResourceVersion("1")
	return false, nil, nil
}

// add is cmdAddFunc and cmdAdd of cmd/whereabouts.go, but for where the clients come from.
func add(args *skel.CmdArgs) error {
	// What the DaemonSet of whereabouts writes on every node.
	folder, err := os.MkdirTemp("", "whereabouts")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	flat := filepath.Join(folder, "whereabouts.conf")
	content, err := json.Marshal(map[string]any{"kubernetes": map[string]string{"kubeconfig": flat}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(flat, content, 0o600); err != nil {
		return err
	}
	conf, confVersion, err := config.LoadIPAMConfig(args.StdinData, args.Args, flat)
	if err != nil {
		return err
	}
	// A kubeconfig of its own is used as whereabouts uses it: the first request runs its commands.
	if conf.Kubernetes.KubeConfigPath != flat {
		real, err := kubernetes.NewKubernetesIPAM(args.ContainerID, args.IfName, *conf)
		if err != nil {
			return err
		}
		return real.Status(context.Background())
	}
	objects := fakewb.NewSimpleClientset()
	objects.PrependReactor("create", "*", named)
	client := &kubernetes.KubernetesIPAM{
		Client:      *kubernetes.NewKubernetesClient(objects, fakek8s.NewSimpleClientset()),
		Config:      *conf,
		Namespace:   namespace,
		ContainerID: args.ContainerID,
		IfName:      args.IfName,
	}
	result := &current.Result{DNS: conf.DNS, Routes: conf.Routes}
	ctx, cancel := context.WithTimeout(context.Background(), types.AddTimeLimit)
	defer cancel()
	ips, err := kubernetes.IPManagement(ctx, types.Allocate, *conf, client)
	if err != nil {
		return fmt.Errorf("error at storage engine: %w", err)
	}
	for _, ip := range ips {
		result.IPs = append(result.IPs, &current.IPConfig{Address: ip, Gateway: conf.Gateway})
	}
	for _, static := range conf.Addresses {
		result.IPs = append(result.IPs, &current.IPConfig{Address: static.Address, Gateway: static.Gateway})
	}
	return cnitypes.PrintResult(result, confVersion)
}

// Where something after it failed, a plugin calls this with nothing of the cluster left to undo.
func del(*skel.CmdArgs) error { return nil }

func main() {
	skel.PluginMainFuncs(skel.CNIFuncs{Add: add, Del: del}, version.All, "whereabouts")
}
