// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package template

import (
	"fmt"
	"math"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/functions"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// Limits of what a template may say and make. They are far above what any real
// template needs, and low enough that none can stall the program.
const (
	// maxExpression is the length of an expression, in characters.
	maxExpression = 4096
	// maxExpressions is the number of expressions in a template.
	maxExpressions = 1024
	// maxManifests is the size of all manifests together, in bytes. The template's status
	// holds them once more for each revision in use, and all of it has to fit into etcd's
	// 1.5 MiB.
	maxManifests = 256 << 10
	// maxDepth is how deep a manifest or a value may nest.
	maxDepth = 64
	// maxEvaluation is the work of one evaluation; a step over a list, a field or 16
	// characters is about 1.
	maxEvaluation = 250_000
	// maxWork is the work of one rendering.
	maxWork = 25_000_000
	// maxRange is the greatest list that lists.range makes.
	maxRange = 10_000
	// maxObjects is the number of objects of one rendering.
	maxObjects = 4096
	// maxObject is the size of one object, in bytes of JSON, about. The API server
	// takes little more.
	maxObject = 1 << 20
	// maxRendering is the size of all objects of one rendering.
	maxRendering = 32 << 20
)

const (
	// charactersPerStep is how much text counts as one step of work.
	charactersPerStep = 16
	// structWeight is the weight of a variable of ours, which holds a whole pod.
	structWeight = 256
)

// weigh is the work of walking through a value, at most one more than the limit.
// Values share parts with each other, so that a value which took little to make may
// take for ever to walk through.
func weigh(value ref.Val, limit int) int {
	if limit <= 0 {
		return 1
	}
	weight := 1
	add := func(part ref.Val) bool {
		weight += weigh(part, limit-weight)
		return weight <= limit
	}
	switch value := value.(type) {
	case types.String:
		weight += len(value) / charactersPerStep
	case types.Bytes:
		weight += len(value) / charactersPerStep
	case *types.Optional:
		if value.HasValue() {
			add(value.GetValue())
		}
	case traits.Mapper:
		for i := value.Iterator(); i.HasNext() == types.True; {
			key := i.Next()
			if !add(key) {
				break
			}
			if part, ok := value.Find(key); ok && !add(part) {
				break
			}
		}
	case traits.Lister:
		for i := value.Iterator(); i.HasNext() == types.True; {
			if !add(i.Next()) {
				break
			}
		}
	case traits.FieldTester:
		weight += structWeight
	}
	return min(weight, limit+1)
}

// cost charges a call for what it read and made. The interpreter's own rules look
// at the outermost list only.
type cost struct{}

func (cost) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	switch function {
	case operators.Index, operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.NotStrictlyFalse,
		operators.Conditional, "size":
		return nil
	case operators.Add:
		if _, list := result.(traits.Lister); list {
			// A list grows in place; a macro adds one item at a time.
			return new(uint64(weigh(args[len(args)-1], maxEvaluation)))
		}
	}
	work := weigh(result, maxEvaluation)
	for _, arg := range args {
		work += weigh(arg, maxEvaluation)
	}
	return new(uint64(work))
}

// guarded are functions that take, or make, much more than they are given: the cost
// of a call is known afterwards only, which is too late for them. The work of one
// is told from its arguments.
var guarded = map[string]func(args []ref.Val) int{
	"replace": func(args []ref.Val) int {
		// At most every character, and both ends, become the replacement.
		return (length(args[0]) + 1) * (length(args[2]) + 1) / charactersPerStep
	},
	// Each character is looked at in every state of the pattern, of which repetitions
	// make up to 1,000.
	"matches": func(args []ref.Val) int { return (length(args[0]) + 1) * (length(args[1]) + 1000) / charactersPerStep },
	// Every character may become an item.
	"split": func(args []ref.Val) int { return length(args[0]) },
	"join": func(args []ref.Val) int {
		work := weigh(args[0], maxEvaluation)
		if len(args) > 1 {
			work += count(args[0]) * length(args[1]) / charactersPerStep
		}
		return work
	},
	// Every part of the values becomes text, and an item of the flat list.
	"format":            sum,
	"flatten":           sum,
	"distinct":          func(args []ref.Val) int { return product(args[0], args[0]) },
	"sets.contains":     func(args []ref.Val) int { return product(args[0], args[1]) },
	"sets.equivalent":   func(args []ref.Val) int { return product(args[0], args[1]) },
	"sets.intersects":   func(args []ref.Val) int { return product(args[0], args[1]) },
	operators.Equals:    sum,
	operators.NotEquals: sum,
	operators.In:        sum,
}

func length(value ref.Val) int {
	text, _ := value.(types.String)
	return len(text)
}

func count(value ref.Val) int {
	if list, ok := value.(traits.Lister); ok {
		if n, ok := list.Size().(types.Int); ok {
			return int(n)
		}
	}
	return 1
}

func product(a, b ref.Val) int {
	return count(a)*weigh(b, maxEvaluation) + count(b)*weigh(a, maxEvaluation)
}

func sum(args []ref.Val) int {
	work := 0
	for _, arg := range args {
		work += weigh(arg, maxEvaluation)
	}
	return work
}

// guard is a call of a guarded function.
type guard struct {
	interpreter.InterpretableCall
	work    func(args []ref.Val) int
	binding *functions.Overload
}

// Exec evaluates the arguments, and the call where it is within bounds.
func (g *guard) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	args := make([]ref.Val, len(g.Args()))
	for i, arg := range g.Args() {
		args[i] = arg.Exec(frame)
		if types.IsUnknownOrError(args[i]) {
			return args[i]
		}
	}
	if work := g.work(args); work > maxEvaluation {
		return types.WrapErr(fmt.Errorf("%s of values of this size: %w", g.Function(), errTooMuchWork))
	}
	switch {
	case g.Function() == operators.Equals:
		return types.Equal(args[0], args[1])
	case g.Function() == operators.NotEquals:
		return types.Bool(types.Equal(args[0], args[1]) != types.True)
	case g.binding == nil:
		return types.NewErr("no such overload: %s", g.Function())
	case len(args) == 1 && g.binding.Unary != nil:
		return g.binding.Unary(args[0])
	case len(args) == 2 && g.binding.Binary != nil:
		return g.binding.Binary(args[0], args[1])
	case g.binding.Function != nil:
		return g.binding.Function(args...)
	default:
		return types.NewErr("no such overload: %s", g.Function())
	}
}

// Eval is Exec for callers of an older interface.
func (g *guard) Eval(activation interpreter.Activation) ref.Val {
	return g.Exec(interpreter.AsFrame(activation))
}

// guards puts a guard before the calls of guarded functions.
func guards(env *cel.Env) (interpreter.InterpretableDecoratorV2, error) {
	bindings := map[string]*functions.Overload{}
	for name := range guarded {
		declared, ok := env.Functions()[name]
		if !ok {
			return nil, fmt.Errorf("function %s is not declared", name)
		}
		overloads, err := declared.Bindings()
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", name, err)
		}
		for _, overload := range overloads {
			bindings[overload.Operator] = overload
		}
	}
	return func(step interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		call, ok := step.(interpreter.InterpretableCall)
		if !ok {
			return step, nil
		}
		work, ok := guarded[call.Function()]
		if !ok {
			return step, nil
		}
		binding, ok := bindings[call.OverloadID()]
		if !ok {
			binding = bindings[call.Function()]
		}
		return &guard{InterpretableCall: call, work: work, binding: binding}, nil
	}, nil
}

// budget is what is left of a bound.
type budget int

// take reports false once nothing is left.
func (b *budget) take(amount uint64) bool {
	if amount > math.MaxInt32 || int(amount) > int(*b) {
		*b = 0
		return false
	}
	*b -= budget(amount)
	return true
}
