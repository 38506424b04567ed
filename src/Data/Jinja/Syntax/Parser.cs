using System.Runtime.CompilerServices;
using Peft.Orleans.Data.Jinja.Builtins;
using Peft.Orleans.Data.Jinja.Nodes;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>Makes nodes of a template's tokens: here what statements and expressions share.</summary>
internal sealed partial class Parser
{
    // Python's own parser gives up near these.
    private const int DeepestNesting = 100;

    private readonly List<Token> tokens;
    private readonly Dictionary<string, int> names = new(StringComparer.Ordinal);
    private readonly FieldReads fields = new();
    private int at;
    private int depth;

    // As in Jinja: within an if, filters and tests that nobody knows fail where they are reached, elsewhere at once.
    private bool lenient;
    private readonly List<JinjaException> unknown = [];

    // Names that the macro being read loads, innermost last.
    private readonly Stack<HashSet<string>> loaded = new([[]]);

    private Parser(List<Token> tokens) => this.tokens = tokens;

    private Token Current => tokens[at];

    /// <summary>Statements of a template, the numbers of its names, and the fields it reads.</summary>
    /// <exception cref="JinjaException">It is not written as a template is; with the line.</exception>
    public static (Statement[] Body, IReadOnlyDictionary<string, int> Names, IReadOnlySet<string> Fields) Parse(string text)
    {
        var parser = new Parser(Lexer.Read(text));
        var body = parser.Body();
        return parser.unknown.Count == 0 ? (body, parser.names, parser.fields.All()) : throw parser.unknown[0];
    }

    private Token Next() => tokens[at].Kind == TokenKind.End ? tokens[at] : tokens[at++];

    private Token Peek => tokens[Math.Min(at + 1, tokens.Count - 1)];

    private bool Skip(string sign)
    {
        if (!Current.IsSign(sign)) return false;
        at++;
        return true;
    }

    private bool SkipName(string name)
    {
        if (!Current.IsName(name)) return false;
        at++;
        return true;
    }

    private void Expect(string sign)
    {
        if (!Skip(sign)) throw Unexpected(sign);
    }

    private Token Expect(TokenKind kind, string what) => Current.Kind == kind ? Next() : throw Unexpected(what);

    private JinjaException Unexpected(string expected) => Current.Kind == TokenKind.End
        ? Wrong($"unexpected end of template, expected '{expected}'.")
        : Wrong($"expected token '{expected}', got '{Current.Described}'");

    private JinjaException Wrong(string message) => Wrong(message, Current.Line);

    private static JinjaException Wrong(string message, int line) => new(JinjaFailure.Syntax, message) { Line = line };

    private int Number(string name)
    {
        if (!names.TryGetValue(name, out var number)) names.Add(name, number = names.Count);
        return number;
    }

    private Name Load(string name)
    {
        loaded.Peek().Add(name);
        return new Name(name, Number(name), Globals.Table.TryGetValue(name, out var known) ? known : Scope.Missing);
    }

    private T Nested<T>(Func<T> read)
    {
        if (++depth > DeepestNesting || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new JinjaException(JinjaFailure.Limit, $"it nests more than {DeepestNesting} blocks and brackets")
            {
                Line = Current.Line,
            };
        }

        var result = read();
        depth--;
        return result;
    }

    private T Within<T>(bool leniently, Func<T> read)
    {
        var before = lenient;
        lenient = leniently;
        var result = read();
        lenient = before;
        return result;
    }
}
