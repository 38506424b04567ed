using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace Peft.Orleans.Core.Methods;

/// <summary>
/// A value of some modules, by PEFT's rule: of several patterns the first counts that matches the end of a module's name, from the name's
/// beginning or from a dot on.
/// </summary>
/// <param name="Modules">A regular expression: <c>q_proj</c>, <c>layers\.[0-3]\..*</c></param>
/// <param name="Value">Their value.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ModulePattern")]
public sealed record ModulePattern(string Modules, double Value)
{
    // A file's expression must not keep us busy for ever.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private static readonly ConcurrentDictionary<string, Regex> Expressions = new(StringComparer.Ordinal);

    /// <summary>The value of a module; null: no pattern matches it.</summary>
    /// <exception cref="PeftException">A pattern is no regular expression, or takes too long; names it.</exception>
    public static double? ValueOf(IReadOnlyList<ModulePattern>? patterns, string module) =>
        patterns?.FirstOrDefault(pattern => pattern.Matches(module))?.Value;

    /// <summary>Why the pattern cannot be used; null: it can.</summary>
    public string? Fault
    {
        get
        {
            try
            {
                _ = Expression;
                return null;
            }
            catch (ArgumentException error)
            {
                return $"'{Modules}' is no regular expression: {error.Message.TrimEnd('.')}";
            }
        }
    }

    private Regex Expression => Expressions.GetOrAdd(
        Modules,
        static modules => new Regex($@"\A(?:.*\.)?(?:{PythonRegex.Translate(modules)})\z", RegexOptions.CultureInvariant, Patience));

    private bool Matches(string module)
    {
        try
        {
            return Expression.IsMatch(module);
        }
        catch (RegexMatchTimeoutException error)
        {
            throw new PeftException(
                $"the pattern '{Modules}' takes more than {Patience.TotalSeconds} s on {module}; write a simpler one", error);
        }
        catch (ArgumentException error)
        {
            throw new PeftException(Fault ?? error.Message, error);
        }
    }
}
