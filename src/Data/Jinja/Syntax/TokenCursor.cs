using System.Runtime.CompilerServices;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>A template's tokens, read one after the other, and what is said where another one was expected.</summary>
/// <param name="tokens">The tokens; the last is <see cref="TokenKind.End"/>.</param>
internal sealed class TokenCursor(List<Token> tokens)
{
    // Python's own parser gives up near these.
    private const int DeepestNesting = 100;

    private int at;
    private int depth;

    internal Token Current => tokens[at];

    internal Token Peek => tokens[Math.Min(at + 1, tokens.Count - 1)];

    internal Token Next() => tokens[at].Kind == TokenKind.End ? tokens[at] : tokens[at++];

    internal bool Skip(string sign)
    {
        if (!Current.IsSign(sign)) return false;
        at++;
        return true;
    }

    internal bool SkipName(string name)
    {
        if (!Current.IsName(name)) return false;
        at++;
        return true;
    }

    internal void Expect(string sign)
    {
        if (!Skip(sign)) throw Unexpected(sign);
    }

    internal Token Expect(TokenKind kind, string what) => Current.Kind == kind ? Next() : throw Unexpected(what);

    internal JinjaException Unexpected(string expected) => Current.Kind == TokenKind.End
        ? Wrong($"unexpected end of template, expected '{expected}'.")
        : Wrong($"expected token '{expected}', got '{Current.Described}'");

    internal JinjaException Wrong(string message) => Wrong(message, Current.Line);

    internal static JinjaException Wrong(string message, int line) => new(JinjaFailure.Syntax, message) { Line = line };

    /// <summary>Reads what stands within something else.</summary>
    internal T Nested<T>(Func<T> read)
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
}
