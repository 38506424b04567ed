using Peft.Orleans.Dashboards.Source;
using static Peft.Orleans.Dashboards.Source.Panel;

namespace Peft.Orleans.Dashboards.Boards;

/// <summary>What each layer does: λ, norms, how far rotations have drifted.</summary>
internal static class LayersBoard
{
    internal static Board Board { get; } = new(
        "layers",
        "Peft.Orleans / Layers",
        "λ, gradient norms and orthogonality, a row per layer: 0 embedding, 1 to L blocks, L + 1 head.",
        new Row(
            "Mixing (method hybrid)",
            Layers(
                "λ by layer",
                Units.None,
                "Mixing coefficient λ of each layer in its last forward pass: 1 is low-rank alone, 0 orthogonal alone. Method hybrid only.",
                "all layers in one colour at an end of the scale: one of the two branches does nothing.",
                "max by (layer) (peft_lambda{RUN})") with
            { Min = 0, Max = 1 },
            Lines(
                "λ over time",
                Units.None,
                "Smallest, mean and largest λ of a run's layers.",
                "all three at 0 or 1: λ has collapsed; jumps from step to step: raise `method.lambda.ema`.",
                new Query("min by (run) (peft_lambda{RUN})", "{{run}} smallest"),
                new Query("avg by (run) (peft_lambda{RUN})", "{{run}} mean"),
                new Query("max by (run) (peft_lambda{RUN})", "{{run}} largest")) with
            { Min = 0, Max = 1, Width = 8, Height = 9 },
            Stat(
                "Layers at a bound",
                Units.Count,
                "Layers whose λ is within a hundredth of its range of `method.lambda.min` or `.max`.",
                "as many as there are layers: λ has collapsed, and Hybrid is no mixture any more.",
                "max by (run) (peft_lambda_at_bound_layers{RUN})") with
            { Thresholds = [new(1, "yellow")], Height = 9 }),
        new Row(
            "Gradients",
            Layers(
                "Gradient norm by layer",
                Units.None,
                "Norm of each layer's gradient before clipping.",
                "one layer far above its neighbours: unstable there; 0: it does not learn.",
                "max by (layer) (peft_layer_gradient_norm{RUN})"),
            Lines(
                "Gradient norm: largest layer over mean",
                Units.None,
                "How far the largest layer's gradient norm is above the mean of all layers.",
                "above 10 for long: one layer dominates the clipped gradient, and the others hardly move.",
                new Query("max by (run) (peft_layer_gradient_norm{RUN}) / avg by (run) (peft_layer_gradient_norm{RUN})", "{{run}}"))
                with
            { Min = 1, Width = 12, Height = 9 }),
        new Row(
            "Orthogonality (methods boft, hybrid, urnn)",
            Layers(
                "Orthogonality error by layer",
                Units.Scientific,
                "max |CᵀC − I| over a layer's butterfly blocks. Methods boft and hybrid only.",
                "above 1e-3: rounding has drifted, and the layer is no rotation.",
                "max by (layer) (peft_boft_orthogonality_error{RUN})"),
            Layers(
                "Unitarity error by layer",
                Units.Scientific,
                "max |UᴴU − I| over a layer's unitary blocks. Method urnn only.",
                "above 1e-3: renormalisation does not hold them.",
                "max by (layer) (peft_urnn_unitarity_error{RUN})"),
            Lines(
                "Blocks brought back to the unitary group",
                Units.PerSecond,
                "Modules whose unitary blocks were renormalised after a step. Method urnn, kind dense.",
                "several a step and module: steps are too large for the group.",
                new Query("sum by (silo) (rate(peft_urnn_renormalizations_total{SILO}[$__rate_interval]))", "{{silo}}"))
                with
            { Width = 24, Height = 7, Min = 0 }));
}
