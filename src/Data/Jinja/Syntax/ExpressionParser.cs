using Peft.Orleans.Data.Jinja.Nodes;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>Expressions: the operators, from those that bind least to those that bind most.</summary>
internal sealed class ExpressionParser
{
    private readonly TokenCursor tokens;
    private readonly TemplateNames names;

    internal ExpressionParser(TokenCursor tokens, TemplateNames names)
    {
        this.tokens = tokens;
        this.names = names;
        Operands = new OperandParser(tokens, names, this);
    }

    /// <summary>What operators stand between.</summary>
    internal OperandParser Operands { get; }

    internal Expression Read(bool withConditions = true) => tokens.Nested(() => withConditions ? Choice() : Or());

    /// <summary>An expression, or several with commas between them, which are a tuple.</summary>
    internal Expression Tuple(bool withConditions = true, bool explicitly = false, string? endName = null)
    {
        var items = new List<Expression>();
        var several = false;
        while (true)
        {
            if (items.Count > 0) tokens.Expect(",");
            if (EndsTuple(endName)) break;
            items.Add(Read(withConditions));
            if (!tokens.Current.IsSign(",")) break;
            several = true;
        }

        if (several || (items.Count == 0 && explicitly)) return new Elements([.. items], tuple: true);
        return items.Count == 1 ? items[0] : throw tokens.Wrong($"Expected an expression, got '{tokens.Current.Described}'");
    }

    internal bool EndsTuple(string? endName) => tokens.Current.Kind is TokenKind.PrintEnd or TokenKind.BlockEnd
        || tokens.Current.IsSign(")")
        || (endName is not null && tokens.Current.IsName(endName));

    private Expression Choice()
    {
        // What stands before an if belongs to it, and may name filters that nobody knows.
        var value = names.Forgiving(Or, () => tokens.Current.IsName("if"));
        while (tokens.SkipName("if"))
        {
            var (then, condition) = (value, names.Within(leniently: true, Or));
            var otherwise = tokens.SkipName("else") ? names.Within(leniently: true, () => tokens.Nested(Choice)) : null;
            value = new Conditional(condition, then, otherwise);
        }

        return value;
    }

    private Expression Or()
    {
        var left = And();
        while (tokens.SkipName("or")) left = new Logic(and: false, left, And());
        return left;
    }

    private Expression And()
    {
        var left = Negation();
        while (tokens.SkipName("and")) left = new Logic(and: true, left, Negation());
        return left;
    }

    private Expression Negation() => tokens.SkipName("not") ? new Not(tokens.Nested(Negation)) : Compared();

    private Expression Compared()
    {
        var first = Sum();
        var others = new List<(string, Expression)>();
        while (true)
        {
            if (tokens.Current is { Kind: TokenKind.Sign, Text: "==" or "!=" or "<" or "<=" or ">" or ">=" })
                others.Add((tokens.Next().Text, Sum()));
            else if (tokens.SkipName("in"))
                others.Add(("in", Sum()));
            else if (tokens.Current.IsName("not") && tokens.Peek.IsName("in"))
            {
                tokens.Next();
                tokens.Next();
                others.Add(("not in", Sum()));
            }
            else
                break;
        }

        return others.Count == 0 ? first : new Comparison(first, [.. others]);
    }

    private Expression Sum()
    {
        var left = Joined();
        while (tokens.Current is { Kind: TokenKind.Sign, Text: "+" or "-" }) left = new Binary(tokens.Next().Text, left, Joined());
        return left;
    }

    private Expression Joined()
    {
        var parts = new List<Expression> { Product() };
        while (tokens.Skip("~")) parts.Add(Product());
        return parts.Count == 1 ? parts[0] : new Joining([.. parts]);
    }

    private Expression Product()
    {
        var left = Power();
        while (tokens.Current is { Kind: TokenKind.Sign, Text: "*" or "/" or "//" or "%" })
            left = new Binary(tokens.Next().Text, left, Power());
        return left;
    }

    private Expression Power()
    {
        var left = Operands.Read();
        while (tokens.Skip("**")) left = new Binary("**", left, Operands.Read());
        return left;
    }
}
