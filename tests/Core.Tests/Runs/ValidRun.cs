namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>A run file of seven lines that is accepted; tests of refusals change it.</summary>
internal static class ValidRun
{
    internal const string Text = """
        name: demo
        model:
          path: model
        data:
          train: { path: train.jsonl, format: messages }
        training:
          steps: 20
        """;
}
