using Peft.Orleans.Client.Comparison;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Xunit;

namespace Peft.Orleans.Client.Tests.Comparison;

/// <summary>Run files of a comparison.</summary>
public sealed class CombinationResolverTests
{
    [Fact]
    public void The_base_serves_every_method_and_own_values_are_laid_over_it()
    {
        using var workspace = new ComparisonWorkspace();
        var (file, resolver) = workspace.Load(ComparisonWorkspace.Base + """
            methods:
              - boft
              - { name: lora, label: wide, method: { lora.rank: 16 }, training: { optimizer: { learning_rate: 3.0e-3 } } }
            repeats: 3
            """, "training.steps=7", "repeats=2");
        resolver.CheckAll();
        Assert.Equal(2, file.Repeats);
        var boft = Assert.Single(resolver.Candidates(file.Methods[0])).Spec;
        Assert.Equal((MethodName.Boft, 2, 7, 5L), (boft.Method.Name, boft.Method.Boft.ButterflyFactors, boft.Training.Steps, boft.Seed));
        Assert.Equal(workspace.Files.Path("train.jsonl"), boft.Data.Train[0].Path);
        var lora = Assert.Single(resolver.Candidates(file.Methods[1]));
        Assert.Equal(("wide", 16, 3e-3), (file.Methods[1].Label, lora.Spec.Method.Lora.Rank, lora.Spec.Training.Optimizer.LearningRate));
        Assert.Equal(6, resolver.Repeat(file.Methods[1], lora, 1).Spec.Seed);
    }

    [Fact]
    public void The_grid_is_every_combination_of_what_has_a_meaning_for_the_method()
    {
        using var workspace = new ComparisonWorkspace();
        var (file, resolver) = workspace.Load(ComparisonWorkspace.Base + """
            methods: [lora, boft, { name: hybrid, grid: { training.optimizer.learning_rate: [0.5] } }]
            grid:
              training: { optimizer: { learning_rate: [0.1, 0.2] } }
              method.boft.block_size: [4, 8]
            """);
        resolver.CheckAll();
        Assert.Equal([2, 4, 2], file.Methods.Select(method => resolver.Candidates(method).Count));
        Assert.All(resolver.Candidates(file.Methods[2]), static run => Assert.Equal(0.5, run.Spec.Training.Optimizer.LearningRate));
        var control = CombinationResolver.Control(
            file.Methods[1],
            resolver.Candidates(file.Methods[1])[0],
            ModelFolder.Open(workspace.Files.Model()).Dimensions
        )!;
        // The control's rank follows from the method; it chooses its own learning rate.
        Assert.Equal(
            [0.1, 0.2],
            resolver.Candidates(control, control: true).Select(static run => run.Spec.Training.Optimizer.LearningRate)
        );
    }

    [Fact]
    public void The_control_has_the_modules_the_scale_and_the_training_of_its_method()
    {
        using var workspace = new ComparisonWorkspace();
        var (file, resolver) = workspace.Load(
            ComparisonWorkspace.Base
                + """
                methods:
                  - { name: hybrid, method: { target_modules: [v_proj, o_proj], lambda: { ema: 0.5 } }, training: { optimizer: { learning_rate: 0.01, boft_learning_rate: 0.1 } } }
                """
        );
        resolver.CheckAll();
        var model = ModelFolder.Open(workspace.Files.Model()).Dimensions;
        var hybrid = resolver.Candidates(file.Methods[0])[0];
        var control = resolver.Candidates(CombinationResolver.Control(file.Methods[0], hybrid, model)!, control: true)[0].Spec;
        Assert.Equal(MethodName.Lora, control.Method.Name);
        Assert.Equal(["v_proj", "o_proj"], control.Method.TargetModules);
        Assert.Equal(2, control.Method.Lora.Alpha / control.Method.Lora.Rank);
        Assert.Equal(0.01, control.Training.Optimizer.LearningRate);
        Assert.Equal(MatchedControl.Rank(hybrid.Spec.Method, model), control.Method.Lora.Rank);
    }

    [Fact]
    public void Equal_runs_have_equal_ids_and_data_silos_seed_and_values_change_them()
    {
        using var workspace = new ComparisonWorkspace();
        const string Text =
            ComparisonWorkspace.Base
            + "methods: [lora, { name: lora, label: same, method: { lora.rank: 4 } }, { name: lora, label: other, method: { lora.rank: 2 } }]\n";
        var (file, resolver) = workspace.Load(Text);
        var ids = file.Methods.Select(method => resolver.Candidates(method)[0].Id).ToArray();
        Assert.Equal(ids[0], ids[1]);
        Assert.NotEqual(ids[0], ids[2]);
        Assert.StartsWith("demo-lora-5-", ids[0], StringComparison.Ordinal);
        Assert.Equal(ids[0], workspace.Load(Text).Resolver.Candidates(file.Methods[0])[0].Id);
        Assert.NotEqual(ids[0], new CombinationResolver(file, 2).Candidates(file.Methods[0])[0].Id);
        File.AppendAllText(workspace.Files.Path("train.jsonl"), """{"input_ids": [4, 5], "labels": [4, 5]}""" + "\n");
        Assert.NotEqual(ids[0], new CombinationResolver(file, 1).Candidates(file.Methods[0])[0].Id);
    }

    [Fact]
    public void A_model_of_the_Hubs_cache_is_its_snapshot()
    {
        using var workspace = new ComparisonWorkspace();
        var model = workspace.Files.Model();
        var cached = workspace.Files.Path("hub/models--a--b/snapshots/0123");
        Directory.CreateDirectory(Path.GetDirectoryName(cached)!);
        Directory.Move(model, cached);
        workspace.Files.Write("hub/models--a--b/refs/main", "0123");
        foreach (var named in (string[])["hub/models--a--b", "hub"])
        {
            var (file, resolver) = workspace.Load(ComparisonWorkspace.Base + "methods: [lora, boft]\n", $"model.path={named}");
            Assert.Equal(cached, resolver.CheckAll().Path);
            Assert.Equal(cached, resolver.Candidates(file.Methods[0])[0].Spec.Model.Path);
            // Another snapshot's configuration makes another run.
            var id = resolver.Candidates(file.Methods[0])[0].Id;
            File.AppendAllText(Path.Combine(cached, "config.json"), " ");
            Assert.NotEqual(id, new CombinationResolver(file, 1).Candidates(file.Methods[0])[0].Id);
        }
    }

    [Theory]
    [InlineData("methods: [lora]\nrepeat: 3\n", "compare.yaml:9: repeat: unknown key; a comparison has base, methods, repeats, grid")]
    [InlineData("methods: [lora, lorra]\n", "compare.yaml:8: methods: expected full, lora, boft, lora_ga, urnn or hybrid, found lorra")]
    [InlineData("methods: [lora, lora]\n", "two entries are named lora; give one of them a label")]
    [InlineData("methods: []\n", "compare.yaml:8: methods: expected a list")]
    [InlineData("repeats: 2\n", "methods: expected a list; write methods: [lora, hybrid]")]
    [InlineData("methods: [lora]\nrepeats: none\n", "compare.yaml:9: repeats: expected a number of seeds")]
    [InlineData(
        "methods: [{ name: lora, method: { lora: { rnk: 2 } } }]\n",
        "compare.yaml:8: method.lora.rnk: unknown key; did you mean method.lora.rank?"
    )]
    [InlineData(
        "methods: [{ name: lora, method: { boft: { block_size: 2 } } }]\n",
        "compare.yaml:8: method.boft has no meaning with method.name lora"
    )]
    [InlineData(
        "methods: [{ name: lora, data: { max_length: 3 } }]\n",
        "compare.yaml:8: data.max_length: every method of a comparison has the same model, data and seeds"
    )]
    [InlineData(
        "methods: [lora]\ngrid:\n  training.optimizer.learning_rat: [1]\n",
        "compare.yaml:10: training.optimizer.learning_rat: unknown key; did you mean training.optimizer.learning_rate?"
    )]
    [InlineData(
        "methods: [lora]\ngrid:\n  training.optimizer.learning_rate: 1\n",
        "compare.yaml:10: grid: training.optimizer.learning_rate: expected a list of values to try, found 1"
    )]
    [InlineData(
        "methods: [lora]\ngrid:\n  seed: [1]\n",
        "compare.yaml:10: seed: every method of a comparison has the same model, data and seeds"
    )]
    [InlineData("methods: [lora]\ngrid:\n  method.lora.rank: [0]\n", "compare.yaml:10: method.lora.rank: expected")]
    [InlineData(
        "methods: [lora]\ngrid:\n  method.urnn.kind: [dense]\n",
        "compare.yaml:10: method.urnn.kind has no meaning with any of the methods (lora)"
    )]
    [InlineData("methods: [lora]\n", "compare.yaml:6: method.boft.block_size has no meaning with any of the methods (lora)")]
    [InlineData(
        "methods: [{ name: lora_ga, method: { lora.rank: 40 } }]\n",
        "compare.yaml:8: method.lora_ga.initialization: stable needs 2 × rank"
    )]
    public void Refused_with_line_key_and_remedy(string rest, string message)
    {
        using var workspace = new ComparisonWorkspace();
        var error = Assert.ThrowsAny<PeftException>(() =>
            workspace.Load(ComparisonWorkspace.Base.TrimEnd('\n') + "\n" + rest).Resolver.CheckAll()
        );
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_base_file_is_named_in_its_own_refusals_and_a_grid_needs_validation()
    {
        using var workspace = new ComparisonWorkspace();
        workspace.Files.Write(
            "base.yaml",
            "name: demo\nmodel: { path: model }\ndata: { train: { path: train.jsonl, format: tokens } }\ntraining:\n  stebs: 4\n"
        );
        var error = Assert.ThrowsAny<PeftException>(() => workspace.Load("base: base.yaml\nmethods: [lora]\n").Resolver.CheckAll());
        Assert.Contains(
            "base.yaml:5: training.stebs: unknown key; did you mean training.steps?",
            error.Message,
            StringComparison.Ordinal
        );
        error = Assert.ThrowsAny<PeftException>(() =>
            workspace.Load("base: run.yaml\nmethods: [lora]\ngrid: { method.lora.rank: [2, 4] }\n").Resolver.CheckAll()
        );
        Assert.Contains("compare.yaml:3: grid: values are chosen by validation loss", error.Message, StringComparison.Ordinal);
        error = Assert.ThrowsAny<PeftException>(() => workspace.Load("base: nowhere.yaml\nmethods: [lora]\n"));
        Assert.Contains("nowhere.yaml not found", error.Message, StringComparison.Ordinal);
    }
}
