using Peft.Orleans.Core.Methods;
using Peft.Orleans.Kernels.Adapters;

namespace Peft.Orleans.Kernels.Tests.Methods.Conformance;

/// <summary>A method with options, as the conformance suite runs it on the tiny model.</summary>
/// <param name="Name">Name in test results.</param>
/// <param name="Method">The method section.</param>
internal sealed record MethodCase(string Name, MethodSpec Method)
{
    /// <summary>Whether the model starts as its base.</summary>
    internal bool StartsAsBase { get; init; } = true;

    /// <summary>Trainable tensors whose gradient leaves a term out by design, so that it is no derivative of the loss.</summary>
    internal string[] Detached { get; init; } = [];

    /// <summary>Options that must be refused, and a part of the message.</summary>
    internal (MethodSpec Method, string Part)[] Refused { get; init; } = [];

    /// <summary>The cases; a method that this version registers and that has none fails the suite.</summary>
    internal static IReadOnlyList<MethodCase> All { get; } =
    [.. Cases().Where(static item => AdapterMethods.Names.Contains(item.Method.Name))];

    /// <summary>Their names, for theories.</summary>
    public static TheoryData<string> Names => [.. All.Select(static item => item.Name)];

    internal static MethodCase Of(string name) => All.Single(item => item.Name == name);

    private static IEnumerable<MethodCase> Cases()
    {
        var full = new MethodSpec { Name = MethodName.Full };
        yield return new MethodCase("full", full) { Refused = [(full with { InitialAdapter = "folder" }, "method.initial_adapter")] };

        var lora = new MethodSpec
        {
            Name = MethodName.Lora,
            Lora = new LoraSpec { Rank = 3, Alpha = 6 },
        };
        yield return new MethodCase("lora", lora)
        {
            Refused = [(lora with { TargetModules = ["query"] }, "'query' is no linear module")],
        };
        yield return new MethodCase(
            "lora rslora",
            lora with
            {
                TargetModules = ["q_proj", "up_proj"],
                Lora = lora.Lora with { Rslora = true },
            }
        );

        yield return new MethodCase(
            "lora bound",
            lora with
            {
                TargetModules = ["q_proj", "up_proj"],
                Lora = lora.Lora with { MaxDeltaRatio = 0.05 },
            }
        );
        yield return new MethodCase("lora dora", lora with { Lora = lora.Lora with { Dora = true } })
        {
            // The row norm is detached: only the magnitudes' gradient is a derivative of the loss.
            Detached = ["lora_A", "lora_B"],
            Refused = [(lora with { Lora = lora.Lora with { Dora = true, MaxDeltaRatio = 0.1 } }, "method.lora.max_delta_ratio")],
        };

        var loraGa = new MethodSpec { Name = MethodName.LoraGa, Lora = lora.Lora };
        foreach (var initialization in Enum.GetValues<LoraGaInitialization>())
        {
            yield return new MethodCase(
                $"lora_ga {initialization}",
                loraGa with
                {
                    LoraGa = new LoraGaSpec { Initialization = initialization },
                }
            )
            {
                Refused =
                    initialization == LoraGaInitialization.Stable ? [(loraGa with { Lora = new LoraSpec { Rank = 9 } }, "k_proj")] : [],
            };
        }

        var sketch = new LoraGaSpec { GradientEstimate = GradientEstimate.Sketch };
        yield return new MethodCase("lora_ga sketch", loraGa with { Lora = new LoraSpec { Rank = 2, Alpha = 4 }, LoraGa = sketch });

        var boft = new MethodSpec
        {
            Name = MethodName.Boft,
            Boft = new BoftSpec { BlockSize = 4, ButterflyFactors = 2 },
        };
        foreach (
            var (side, parameterization) in Enum.GetValues<BoftSide>()
                .SelectMany(static side => Enum.GetValues<BoftParameterization>().Select(parameterization => (side, parameterization)))
        )
        {
            var sided = boft with { Boft = boft.Boft with { Side = side, Parameterization = parameterization } };
            yield return new MethodCase($"boft {side} {parameterization}", sided)
            {
                Refused = [(sided with { Boft = sided.Boft with { BlockSize = 5, ButterflyFactors = 1 } }, "proj")],
            };
        }

        var hybrid = new MethodSpec
        {
            Name = MethodName.Hybrid,
            Lora = lora.Lora,
            Boft = new BoftSpec
            {
                BlockSize = 4,
                ButterflyFactors = 2,
                Side = BoftSide.Output,
            },
        };
        yield return new MethodCase("hybrid", hybrid)
        {
            Refused =
            [
                (hybrid with { Lora = new LoraSpec { Rank = 9 } }, "k_proj"),
                (hybrid with { Boft = hybrid.Boft with { BlockSize = 10 } }, "q_proj"),
                (hybrid with { Lora = lora.Lora with { Dora = true } }, "dora"),
            ],
        };
        yield return new MethodCase(
            "hybrid module",
            hybrid with
            {
                Lambda = new LambdaSpec { Granularity = LambdaGranularity.Module, Initial = "0.3" },
                LoraGa = new LoraGaSpec { Initialization = LoraGaInitialization.Paper },
            }
        );

        yield return new MethodCase("hybrid sketch", hybrid with { TargetModules = ["v_proj", "gate_proj"], LoraGa = sketch });

        var urnn = new MethodSpec { Name = MethodName.Urnn };
        yield return new MethodCase("urnn structured", urnn)
        {
            Refused =
            [
                (
                    urnn with
                    {
                        Urnn = new UrnnSpec { Mode = UrnnMode.Replace },
                    },
                    "replace needs square weights, but model.layers.0.self_attn.k_proj"
                ),
            ],
        };
        yield return new MethodCase(
            "urnn dense",
            urnn with
            {
                Urnn = new UrnnSpec { Kind = UrnnKind.Dense, BlockSize = 4 },
            }
        )
        {
            Refused =
            [
                (
                    urnn with
                    {
                        Urnn = new UrnnSpec { Kind = UrnnKind.Dense, BlockSize = 7 },
                    },
                    "which 7 does not divide"
                ),
            ],
        };
        foreach (var kind in Enum.GetValues<UrnnKind>())
        {
            yield return new MethodCase(
                $"urnn {kind} replace",
                urnn with
                {
                    TargetModules = ["q_proj", "o_proj"],
                    Urnn = new UrnnSpec
                    {
                        Kind = kind,
                        Mode = UrnnMode.Replace,
                        BlockSize = 2,
                    },
                }
            )
            {
                StartsAsBase = false,
            };
        }
    }
}
