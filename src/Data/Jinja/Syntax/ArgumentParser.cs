using Peft.Orleans.Data.Jinja.Nodes;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>Arguments of calls, filters and tests, in Python's order: by place, by name, and with one or two stars.</summary>
internal sealed class ArgumentParser(TokenCursor tokens, ExpressionParser expressions)
{
    internal CallArguments Read()
    {
        var line = tokens.Current.Line;
        tokens.Expect("(");
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        Expression? morePositional = null, moreNamed = null;
        var any = false;
        while (!tokens.Current.IsSign(")"))
        {
            if (any) tokens.Expect(",");
            if (any && tokens.Current.IsSign(")")) break;
            any = true;
            if (tokens.Skip("*"))
            {
                Require(morePositional is null && moreNamed is null);
                morePositional = expressions.Read();
            }
            else if (tokens.Skip("**"))
            {
                Require(moreNamed is null);
                moreNamed = expressions.Read();
            }
            else if (tokens.Current.Kind == TokenKind.Name && tokens.Peek.IsSign("="))
            {
                Require(moreNamed is null);
                var name = tokens.Next().Text;
                tokens.Next();
                named.Add((name, expressions.Read()));
            }
            else
            {
                Require(morePositional is null && moreNamed is null && named.Count == 0);
                positional.Add(expressions.Read());
            }
        }

        tokens.Expect(")");
        return any ? new CallArguments([.. positional], [.. named], morePositional, moreNamed) : CallArguments.None;

        void Require(bool condition)
        {
            if (!condition) throw TokenCursor.Wrong("invalid syntax for function call expression", line);
        }
    }
}
