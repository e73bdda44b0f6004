// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"time"
)

const (
	defaultPort = 8080
	// maxServiceTime bounds SERVICE_TIME_MS and the parameter ms.
	maxServiceTime = 30 * time.Second
)

// config is what the environment says.
type config struct {
	Port int
	// ServiceTime is how long a request takes unless it asks for another time.
	ServiceTime time.Duration
	// MaxConcurrency is the number of requests served at once; 0 means no limit.
	MaxConcurrency int
	Function       string
	DeploymentID   string
	Environment    string
	Grid           gridConfig
}

func configFromEnv(getenv func(string) string) (config, error) {
	c := config{
		Function:     getenv("FUNCTION_KEY"),
		DeploymentID: getenv("DEPLOYMENT_ID"),
		Environment:  getenv("ENVIRONMENT"),
		Grid:         gridFromEnv(getenv),
	}
	var err error
	if c.Port, err = number(getenv, "PORT", defaultPort, 1, 65535); err != nil {
		return config{}, err
	}
	ms, err := number(getenv, "SERVICE_TIME_MS", 0, 0, int(maxServiceTime.Milliseconds()))
	if err != nil {
		return config{}, err
	}
	c.ServiceTime = time.Duration(ms) * time.Millisecond
	const maxConcurrency = 1 << 20
	if c.MaxConcurrency, err = number(getenv, "MAX_CONCURRENCY", 0, 0, maxConcurrency); err != nil {
		return config{}, err
	}
	return c, nil
}

// number reads an environment variable; empty means fallback.
func number(getenv func(string) string, name string, fallback, low, high int) (int, error) {
	text := getenv(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s is %q: set a whole number from %d to %d, or nothing for %d", name, text, low, high, fallback)
	}
	return n, nil
}
