namespace Peft.Orleans.Core.Runs;

/// <summary>Section <c>data</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.DataSpec")]
public sealed record DataSpec
{
    /// <summary>Training data.</summary>
    public DataSources Train { get; init; } = new DataSource();

    /// <summary>Validation data; null: none.</summary>
    public ValidationSource? Validation { get; init; }

    /// <summary>Problems answered by greedy generation before and after training; null: none.</summary>
    public EvaluationSource? Evaluation { get; init; }

    /// <summary>Largest number of tokens of a sample.</summary>
    public int MaxLength { get; init; } = 1024;

    /// <summary>What happens to longer samples.</summary>
    public LongSamplePolicy OnLong { get; init; } = LongSamplePolicy.Error;

    /// <summary>Whether samples are shuffled (seeded) each epoch.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>Whether several samples share a row, without attention across them; a packed row counts as one sample.</summary>
    public bool Packing { get; init; }

    /// <summary>Whether prompt tokens are left out of the loss.</summary>
    public bool MaskPrompt { get; init; } = true;

    /// <summary>The files' names for the formats' fields, by field; null: the fields' own.</summary>
    public IReadOnlyDictionary<string, string>? Columns { get; init; }

    /// <summary>Chat template: <c>model</c>, <c>chatml</c>, <c>llama3</c>, <c>vicuna</c>, or the path of a Jinja file.</summary>
    public string ChatTemplate { get; init; } = ChatTemplateNames.Model;

    /// <summary>What becomes a sample of a conversation.</summary>
    public MultiTurn MultiTurn { get; init; } = MultiTurn.Whole;

    /// <summary>Texts that close an assistant's message; null: found.</summary>
    public IReadOnlyList<string>? EndOfTurn { get; init; }

    /// <summary>The time that a template which asks for it is told; null: when the run is created.</summary>
    public string? ChatTime { get; init; }
}

/// <summary>Section <c>data.validation</c>: a fraction of the training data, or a file.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.ValidationSource")]
public sealed record ValidationSource
{
    /// <summary>Fraction of the training samples, in (0, 1).</summary>
    public double? Fraction { get; init; }

    /// <summary>Path of a file, of a folder, or a glob.</summary>
    public string? Path { get; init; }

    /// <summary>Its format; null: that of the training data.</summary>
    public DataFormat? Format { get; init; }
}

/// <summary>Section <c>data.evaluation</c>: a file in format <c>completion</c> whose prompts are answered greedily.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.EvaluationSource")]
public sealed record EvaluationSource
{
    /// <summary>Path of a JSONL file with <c>prompt</c> and <c>completion</c>.</summary>
    public string Path { get; init; } = "";

    /// <summary>How an answer is judged.</summary>
    public EvaluationMetric Metric { get; init; }

    /// <summary>Largest number of generated tokens of an answer.</summary>
    public int MaxNewTokens { get; init; } = 32;
}
