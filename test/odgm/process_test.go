// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	odgmv1 "oaas.io/oaas/pkg/generated/grpc/oaas/odgm/v1"
)

// actAsProgram makes the test binary the program itself, so that tests see its exit
// code and its output.
const actAsProgram = "ODGM_TEST_ACT_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(actAsProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// environment of a node that starts, changed as told.
func environment(t *testing.T, change map[string]string) []string {
	t.Helper()
	all := map[string]string{
		actAsProgram:      "1",
		"ODGM_DATA_DIR":   filepath.Join(t.TempDir(), "none"),
		"ODGM_NODE_ID":    "2",
		"ODGM_MEMBERS":    "1,2",
		"ODGM_CLUSTER_ID": "cart-dev",
		"ODGM_COLLECTION": `[{"name":"Cart_data","partition_count":2,"replica_count":2,"shard_type":"raft","shard_assignments":[
			{"primary":1,"replica":[1,2],"shard_ids":[1,2]},{"primary":2,"replica":[2,1],"shard_ids":[3,4]}]}]`,
	}
	maps.Copy(all, change)
	variables := make([]string, 0, len(all))
	for name, value := range all {
		variables = append(variables, name+"="+value)
	}
	return variables
}

func program(ctx context.Context, t *testing.T, change map[string]string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(ctx, self)
	command.Env = environment(t, change)
	return command
}

func TestRefusesToStart(t *testing.T) {
	occupied := t.TempDir()
	if err := os.WriteFile(filepath.Join(occupied, ownerFile), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		change map[string]string
		code   int
		want   string
	}{
		"an id that is a name":         {map[string]string{"ODGM_NODE_ID": "cart-odgm-0"}, exitRefused, `ODGM_NODE_ID is "cart-odgm-0"`},
		"no members":                   {map[string]string{"ODGM_MEMBERS": ""}, exitRefused, "ODGM_MEMBERS"},
		"members without the node":     {map[string]string{"ODGM_MEMBERS": "1,3"}, exitRefused, "not among ODGM_MEMBERS"},
		"ids in quotes":                {map[string]string{"ODGM_COLLECTION": `[{"name":"a","partition_count":"1"}]`}, exitRefused, "ODGM_COLLECTION"},
		"two faults, told in one line": {map[string]string{"ODGM_NODE_ID": "", "ODGM_MEMBERS": ""}, exitRefused, "; ODGM_MEMBERS"},
		"the data of another node":     {map[string]string{"ODGM_DATA_DIR": occupied}, exitRefused, "belongs to node 1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			output, err := program(t.Context(), t, c.change).CombinedOutput()
			exit, ok := errors.AsType[*exec.ExitError](err)
			if !ok || exit.ExitCode() != c.code {
				t.Fatalf("ended with %v, want exit code %d: %s", err, c.code, output)
			}
			if lines := strings.Count(string(output), "\n"); lines != 1 || !strings.Contains(string(output), c.want) {
				t.Errorf("%d lines, want one with %q:\n%s", lines, c.want, output)
			}
		})
	}
}

func TestServes(t *testing.T) {
	data := t.TempDir()
	for _, reflecting := range []bool{true, false} {
		connection, stop := start(t, map[string]string{"ODGM_REFLECTION_ENABLED": strconv.FormatBool(reflecting), "ODGM_DATA_DIR": data})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		health, err := healthv1.NewHealthClient(connection).Check(ctx, &healthv1.HealthCheckRequest{})
		if err != nil || health.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("health %v, error %v", health, err)
		}
		client := odgmv1.NewGridInfoServiceClient(connection)
		info, err := client.GetClusterInfo(ctx, &odgmv1.GetClusterInfoRequest{})
		if err != nil || info.GetNodeId() != 2 || info.GetClusterId() != "cart-dev" || len(info.GetMembers()) != 2 || info.GetCollections()[0].GetActivePartitions() != 2 {
			t.Errorf("cluster info %v, error %v", info, err)
		}
		stats, err := client.GetStats(ctx, &odgmv1.GetStatsRequest{})
		if err != nil || stats.GetShards() != 2 || stats.GetPrimaryShards() != 1 {
			t.Errorf("stats %v, error %v", stats, err)
		}
		want := codes.Unimplemented
		if reflecting {
			want = codes.OK
		}
		if err := reflect(ctx, connection); status.Code(err) != want {
			t.Errorf("with reflection %t it answers %v", reflecting, err)
		}
		cancel()
		stop()
	}
	if owner, err := os.ReadFile(filepath.Join(data, ownerFile)); err != nil || string(owner) != "2\n" {
		t.Errorf("the data belongs to %q, error %v", owner, err)
	}
}

func TestPortThatIsTaken(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	output, err := program(t.Context(), t, map[string]string{"ODGM_HTTP_PORT": port}).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitFailed || strings.Count(string(output), "\n") != 1 {
		t.Errorf("ended with %v: %s", err, output)
	}
}

// start runs the program on a free port until stop is called.
func start(t *testing.T, change map[string]string) (connection *grpc.ClientConn, stop func()) {
	t.Helper()
	change = maps.Clone(change)
	change["ODGM_HTTP_PORT"] = "0"
	command := program(t.Context(), t, change)
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil {
		t.Fatalf("the program ended early: %v", errors.Join(err, command.Wait()))
	}
	_, port, err := net.SplitHostPort(strings.TrimSpace(line[strings.LastIndex(line, " "):]))
	if err != nil {
		t.Fatalf("the program says %q: %v", line, err)
	}
	connection, err = grpc.NewClient("passthrough:///"+net.JoinHostPort("localhost", port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	return connection, func() {
		connection.Close()
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("the program ended with %v", err)
		}
	}
}

// reflect asks for the services by reflection.
func reflect(ctx context.Context, connection *grpc.ClientConn) error {
	stream, err := reflectionv1.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	request := &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(request); err != nil {
		return err
	}
	_, err = stream.Recv()
	return err
}
