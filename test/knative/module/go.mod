// This module pins Knative Serving, of which tests take the definition of the Knative
// Service. Nothing of it is built.
module oaas.io/oaas/test/knative/module

go 1.26.0

require knative.dev/serving v0.51.0
