using System.CommandLine;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Problems;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>make-problems</c>.</summary>
internal static class MakeProblemsCommand
{
    public static Command Create(Terminal terminal)
    {
        var set = new Option<string>("--set")
        {
            Required = true,
            HelpName = "pretraining|shifted|heldout|pretraining-heldout",
            Description =
                "pretraining: the wordings of the embedded model; shifted: other wordings; heldout, pretraining-heldout: number pairs "
                    + "that the training sets cannot contain.",
        };
        set.AcceptOnlyFromAmong("pretraining", "shifted", "heldout", "pretraining-heldout");
        var count = new Option<int>("--count") { Required = true, HelpName = "N", Description = "Number of problems." };
        var seed = new Option<long>("--seed") { HelpName = "S", Description = "Seed (default: 0)." };
        var to = new Option<string>("--to")
        {
            Required = true,
            HelpName = "FILE",
            Description = "JSONL file to write, format completion.",
        };
        var tokenizer = new Option<string?>("--tokenizer-to")
        {
            HelpName = "DIR",
            Description = "Also write the character tokenizer of these problems into this folder.",
        };
        var command = new Command("make-problems", "Generate arithmetic word problems, the data of the embedded example.")
        {
            set,
            count,
            seed,
            to,
            tokenizer,
        };
        count.Number(static value => value >= 1, "an integer of at least 1");
        seed.Number(static _ => true, "an integer");
        command.SetAction(parsed =>
        {
            var problems = parsed.GetValue(set) switch
            {
                "pretraining" => ProblemSet.Pretraining,
                "shifted" => ProblemSet.Shifted,
                "heldout" => ProblemSet.ShiftedEvaluation,
                _ => ProblemSet.PretrainingEvaluation,
            };
            if (Directory.Exists(parsed.GetValue(to)))
                throw new PeftException($"--to {parsed.GetValue(to)} is a folder; name a file in it");
            ArithmeticProblems.WriteProblems(parsed.GetValue(to)!, problems, parsed.GetValue(count), parsed.GetValue(seed));
            if (parsed.GetValue(tokenizer) is { } folder) ArithmeticProblems.WriteTokenizer(folder);
            terminal.Note($"{parsed.GetValue(count)} problems written to {parsed.GetValue(to)}");
            return ExitCodes.Success;
        });
        return command;
    }
}
